"""The two ways a run can end early. Neither shows a traceback unless `--traceback` asks for it.

`InputError` (exit 2): a file or the command line is wrong; the message names file, row or key, value and the fix.
`RunError` (exit 1): the run itself failed; the message says what happened and how to go on.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 10  # errors listed before the rest is only counted


class InputError(Exception):
    """Something the user gave is wrong: exit code 2."""


class RunError(Exception):
    """The run failed on good input: exit code 1."""


@dataclass
class Errors:
    """Collects every error of one file, so that a user fixes a file once and not once per error.

    >>> errors = Errors("train.csv")
    >>> errors.add("'maybe' is not 0 or 1", line=7, column="target")
    >>> errors.raise_if_any()
    Traceback (most recent call last):
    foldwise.errors.InputError: train.csv: 1 error
      line 7, column target: 'maybe' is not 0 or 1
    """

    path: Path | str
    found: list[tuple[int, str]] = field(default_factory=list)  # (line, message), line 0 for the whole file

    def add(self, message: str, line: int = 0, column: str = "") -> None:
        """Note an error. `line` counts from 1 as an editor does; the header is line 1."""
        place = ", ".join([f"line {line}"] * bool(line) + [f"column {column}"] * bool(column))
        self.found.append((line, f"{place}: {message}" if place else message))

    def raise_if_any(self) -> None:
        """Raise one `InputError` with the first ten errors in file order and a count of the rest."""
        if not self.found:
            return
        lines = [f"{self.path}: {len(self.found)} error{'s' if len(self.found) > 1 else ''}"]
        lines += [f"  {message}" for _, message in sorted(self.found, key=lambda error: error[0])[:SHOWN]]
        if len(self.found) > SHOWN:
            lines.append(f"  … and {len(self.found) - SHOWN} more")
        raise InputError("\n".join(lines))


def did_you_mean(name: str, known: Iterable[str], otherwise: str, n: int = 1, cutoff: float = 0.6) -> str:
    """The fix for a name that is none: the `n` nearest known ones, `otherwise` where none is near.

    >>> did_you_mean("hiden", ["hidden", "layers"], "see the list"), did_you_mean("x", ["hidden"], "see the list")
    ('did you mean hidden?', 'see the list')
    """
    near = difflib.get_close_matches(name, list(known), n, cutoff)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def shorten(value: object, width: int = 60) -> str:
    """`repr` of a user's value, cut so that a message stays one line."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def with_article(word: str) -> str:
    """A word with its article, for a message.

    >>> with_article("binary"), with_article("ordinal")
    ('a binary', 'an ordinal')
    """
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
