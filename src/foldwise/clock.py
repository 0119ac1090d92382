"""The clock that all processes of a run share."""

import time


class Clock:
    """Seconds on a clock that never goes back and that all processes of a machine share."""

    @staticmethod
    def now() -> float:
        """The time; only differences mean something."""
        return time.monotonic()


STARTED = Clock.now()  # the command line loads this module first of all
