"""The two ways a run can end early. Neither shows a traceback unless `--traceback` asks for it.

`InputError` (exit 2): a file or the command line is wrong; the message names file, row or key, value and the fix.
`RunError` (exit 1): the run itself failed; the message says what happened and how to go on.
"""

import difflib
import re
import sys
import traceback as tracebacks
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from foldwise.field_names import fields_meant
from foldwise.installed import as_called

SHOWN = 10  # errors listed before the rest is only counted
KEPT = 1000  # errors of a file that are kept to be listed in order; a file of garbage has millions
LONGEST_LINE = 500  # characters
LONGEST_NAME = 200  # characters that a name is compared with others by; what is longer is like none
# What moves a terminal's cursor, changes its colours or turns its letters around, and halves of signs.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Message and fix by pydantic's types of errors, where its own message does not do.
TABLE = ("this is a table", "write a key of it, {key}.… = …, or [{key}.…] in competition.toml")
EXPLAINED = {
    "missing": ("missing", ""),
    "extra_forbidden": ("unknown key", ""),
    "dict_type": TABLE,
    "model_type": TABLE,
    "list_type": ("", "write [{written}]"),
    "bool_type": ("", "write true or false"),
}
ModelType = typing.TypeVar("ModelType", bound=BaseModel)


class InputError(Exception):
    """Something the user gave is wrong: exit code 2."""

    def __str__(self) -> str:
        return as_called(super().__str__())


class DamagedError(InputError):
    """Files that foldwise made in a folder are not as they were written, a phrase for each; they can be made again."""

    def __init__(self, folder: Path, phrases: list[str]) -> None:
        super().__init__(folder, phrases)
        self.folder, self.phrases = folder, phrases

    def __str__(self) -> str:
        return f"{self.folder}: {'; '.join(self.phrases)}"


class RunError(Exception):
    """The run failed on good input: exit code 1."""

    def __str__(self) -> str:
        return as_called(super().__str__())


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
    unit: str = "line"  # what places in the file are counted in
    found: list[tuple[int, str]] = field(default_factory=list)  # (line, message), line 0 for the whole file; the first
    count: int = 0  # of all

    def add(self, message: str, line: int = 0, column: str = "") -> None:
        """Note an error. `line` counts from 1 as an editor does; the header is line 1."""
        place = ", ".join([f"{self.unit} {line}"] * bool(line) + [f"column {column}"] * bool(column))
        self.found.append((line, f"{place}: {message}" if place else message))
        self.count += 1
        if len(self.found) > KEPT:
            self.found = sorted(self.found, key=lambda error: error[0])[:SHOWN]

    def raise_if_any(self) -> None:
        """Raise one `InputError` with the first ten errors in file order and a count of the rest."""
        if not self.found:
            return
        lines = [f"{self.path}: {self.count:,} error{'s' if self.count > 1 else ''}"]
        lines += [f"  {message}" for _, message in sorted(self.found, key=lambda error: error[0])[:SHOWN]]
        if self.count > SHOWN:
            lines.append(f"  … and {self.count - SHOWN:,} more")
        raise InputError("\n".join(lines))


def check(model: type[ModelType], content: dict[str, Any], source: str) -> ModelType:
    """Validate `content`; every error becomes a line of one `InputError` that begins with `source`."""
    errors = Errors(source)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        for found in error.errors():
            if found["type"] != "default_factory_not_called":  # a default made from a field that has an error itself
                errors.add(explain(model, found))
        errors.raise_if_any()
        raise


def explain(model: type[BaseModel], found: Any) -> str:
    """One pydantic error as `key = value: what is wrong; the fix, such as the nearest right name`."""
    kind, value, key = found["type"], found["input"], ".".join(map(str, found["loc"]))
    own_message, fix = EXPLAINED.get(kind, ("", ""))
    message = own_message or found["msg"].removeprefix("Value error, ")
    fix = fix.format(key=key, written=f'"{value}"' if isinstance(value, str) else value)
    if kind == "extra_forbidden":
        *parents, last = found["loc"]
        known = list(fields_at(model, parents))
        below = [f"{name}.{field}" for name in known for field in fields_at(model, [*parents, name])]
        otherwise = find_beside(model, parents, str(last)) or f"known here: {list_names(known, quoted=False)}"
        if not isinstance(value, dict):  # one value is meant for a field, not for a table of them
            tables = {name for name in known if any(field.startswith(f"{name}.") for field in below)}
            known = [name for name in known if name not in tables]
        meant = [] if isinstance(value, dict) else fields_meant(str(last), [*known, *below])
        fix = mean_one_of(meant) if meant else did_you_mean(str(last), [*known, *below], otherwise, cutoff=0.5)
    if kind == "literal_error":
        fix = did_you_mean(str(value), re.findall(r"'([^']+)'", message), "")
    given = "" if isinstance(value, dict) else f" = {shorten(value)}"  # a table is long
    return f"{key}{given}: {'; '.join(filter(None, [message[0].lower() + message[1:], fix]))}"


def find_beside(model: type[BaseModel], parents: list[Any], name: str) -> str:
    """The fix for a key that stands in the wrong table: the nearest one of the tables beside it, "" where none is."""
    if not parents:
        return ""
    tables = [table for table in fields_at(model, parents[:-1]) if table != parents[-1]]
    beside = {field: f"{table}.{field}" for table in tables for field in fields_at(model, [*parents[:-1], table])}
    near = close_names(name, beside)
    return f"did you mean {beside[near[0]]}?" if near else ""


def fields_at(model: type[BaseModel], parents: list[Any]) -> dict[str, Any]:
    """The fields of the table that `parents` lead to; a user's name, or a place in a list, leads into one of many."""
    table: Any = model
    for parent in parents:
        is_many = typing.get_origin(table) in (dict, list)
        table = typing.get_args(table)[-1] if is_many else table.model_fields[parent].annotation
    return dict(getattr(table, "model_fields", {}))


def did_you_mean(name: str, known: Iterable[str], otherwise: str, n: int = 1, cutoff: float = 0.6) -> str:
    """The fix for a name that is none: the `n` nearest known ones, `otherwise` where none is near.

    Of dotted names the nearest are all those with the same last part.

    >>> did_you_mean("hiden", ["hidden", "layers"], "see the list"), did_you_mean("x", ["hidden"], "see the list")
    ('did you mean hidden?', 'see the list')
    """
    known, last = list(known), name.rpartition(".")[2]
    same = [other for other in known if other.rpartition(".")[2] == last]
    by_lower = {other.lower(): other for other in known}
    near = same or [by_lower[other] for other in close_names(name.lower(), by_lower, n, cutoff)]
    return mean_one_of(near) if near else otherwise


def mean_one_of(names: list[str]) -> str:
    """A question that names one or several."""
    *others, last = names
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"


def close_names(name: str, known: Iterable[str], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known names most like `name`, of names short enough to be compared: it takes the product of their lengths."""
    short = [other for other in known if len(other) <= LONGEST_NAME]
    return difflib.get_close_matches(name, short, n, cutoff) if len(name) <= LONGEST_NAME else []


def printable(text: str) -> str:
    r"""A text from anywhere as a terminal and a program's source can hold it: control characters written out.

    >>> printable("a\x1b[31mb\u202ec"), printable("two\nlines\tand a tab")
    ('a\\x1b[31mb\\u202ec', 'two\nlines\tand a tab')
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shorten(value: object, width: int = 60) -> str:
    """`repr` of a user's value, cut so that a message stays one line."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def list_names(names: Iterable[str], quoted: bool = True) -> str:
    """Names for a message, at most ten and how many more there are.

    >>> list_names(["id", ""]), list_names(map(str, range(12)), quoted=False)
    ("'id', ''", '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    names = list(names)
    shown = ", ".join(shorten(name, 40) if quoted else name for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def cut_lines(message: str) -> str:
    r"""A printable message without lines that nobody reads: of a longer one the beginning, and the end with the fix.

    >>> len(cut_lines("x" * 501)), cut_lines("a\nb")
    (500, 'a\nb')
    """
    lines = printable(message).split("\n")
    half = LONGEST_LINE // 2
    return "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[: half + 50]} … {line[-(half - 53) :]}" for line in lines
    )


def with_article(word: str) -> str:
    """A word with its article, for a message.

    >>> with_article("binary"), with_article("ordinal")
    ('a binary', 'an ordinal')
    """
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def find_own_code(error: BaseException) -> str:
    """File and line of the user's own code that an error comes from, "" if it comes from none."""
    others = (str(Path(__file__).parent), sys.prefix, sys.base_prefix, "<")
    frames = tracebacks.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(others)]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else ""
