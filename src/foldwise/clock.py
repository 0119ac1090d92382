"""The clock that all processes of a run share."""

import time


class Clock:
    """Seconds; only differences mean something."""

    @staticmethod
    def now() -> float:
        """The time, which never goes back and is the same in all processes of a machine."""
        return time.monotonic()


STARTED = Clock.now()  # `__main__` loads this module first of all
