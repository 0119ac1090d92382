"""A terminal in memory: what stands in it after all that was written, also in a window that was made narrower."""

import io
import re

CONTROL = re.compile("\\x1b\\[([0-9;]*)([AJKm])")


class Terminal(io.StringIO):
    """What a terminal shows of what it is sent; rows that a narrower window breaks are broken, as most terminals do."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80) -> None:
        super().__init__()
        self.columns = columns
        self.rows: list[str] = [""]
        self.row = self.column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        place = 0
        while place < len(text):
            if found := CONTROL.match(text, place):
                if found[2] != "m":  # a colour
                    self.control(int(found[1] or 1), found[2])
                place = found.end()
                continue
            self.put(text[place])
            place += 1
        return super().write(text)

    def put(self, sign: str) -> None:
        """One sign where the cursor is."""
        if sign == "\r":
            self.column = 0
        elif sign == "\n":
            self.row, self.column = self.row + 1, 0
        else:
            if self.column == self.columns:
                self.row, self.column = self.row + 1, 0
            self.rows += [""] * (self.row + 1 - len(self.rows))
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[: self.column] + sign + line[self.column + 1 :]
            self.column += 1
        self.rows += [""] * (self.row + 1 - len(self.rows))

    def control(self, number: int, letter: str) -> None:
        """Up so many rows, or clear from the cursor on."""
        if letter == "A":
            self.row = max(self.row - number, 0)
        else:
            self.rows[self.row] = self.rows[self.row][: self.column]
            if letter == "J":
                del self.rows[self.row + 1 :]

    def resize(self, columns: int) -> None:
        """Break rows that are too long now; the cursor stays at the end of the last one."""
        self.rows = [row[at : at + columns] for row in self.rows for at in range(0, max(len(row), 1), columns)]
        self.columns, self.row = columns, len(self.rows) - 1
        self.column = len(self.rows[-1])

    def screen(self) -> list[str]:
        """The rows, without the blanks at their ends."""
        return [row.rstrip() for row in self.rows]
