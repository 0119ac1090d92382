"""Standard output and error that never cost a result, whatever becomes of them."""

import io
import os
import select
import sys
from typing import Any

from foldwise import screen


class LossyFile(io.FileIO):
    """An open file descriptor; once writing to it fails, all that is written to it goes nowhere."""

    def __init__(self, number: int, mode: str = "w", closefd: bool = True) -> None:
        super().__init__(number, mode, closefd)
        self.on_terminal = self.isatty()  # where lines may stand that must make room

    def write(self, data: Any) -> int:
        """Write everything; → its number of bytes."""
        view = memoryview(data).cast("B")
        if self.on_terminal and len(view):
            screen.CURRENT.make_room(bytes(view[-1:]))
        try:
            done = 0
            while done < len(view):
                written = super().write(view[done:])
                if written is None:  # a pipe that is full, and is not waited for: another program set it so
                    select.select([], [self], [])
                done += written or 0
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for whoever else writes to it, such as a library
            os.close(nowhere)
            # Who closes a pipe, such as `head`, wants no more; and that standard error is lost, nothing is left to say.
            if self.fileno() == 1 and not isinstance(error, BrokenPipeError):
                print(f"warning: standard output: {error.strerror}; the rest of it is not shown", file=sys.stderr)
        return len(view)


def open_streams() -> None:
    """Make standard output and error of this process such files, and open what is closed of 0, 1 and 2.

    A file of the run would get a closed one's number otherwise, and the messages would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115, what was closed is empty
    sys.stdout, sys.stderr = reopen(1, sys.stdout), reopen(2, sys.stderr)


def reopen(number: int, old: Any) -> io.TextIOWrapper:
    """A text stream as the old one, None where it was closed, in which characters that it cannot show are escaped.

    Standard error has no buffer of bytes: its lock would be held while a write makes room on the screen, which flushes
    this stream, and another thread that draws there would wait for it for ever.
    """
    file: Any = LossyFile(number, "w", closefd=False)
    if old is None:
        return io.TextIOWrapper(file, "utf-8", "backslashreplace")
    lines, through = old.line_buffering, old.write_through
    buffer = file if through or number == 2 else io.BufferedWriter(file)
    return io.TextIOWrapper(buffer, old.encoding, "backslashreplace", line_buffering=lines, write_through=through)
