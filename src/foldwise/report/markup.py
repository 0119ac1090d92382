"""Pieces of HTML: escaped texts, figures, tables that can be sorted, parts that open."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from foldwise.errors import printable

SHOWN = 400  # characters of a text
NUMBER = '<td class="n"'  # how a cell begins that has a number


class Markup(str):
    """HTML as it is; every other text is escaped where it enters a page."""

    __slots__ = ()


def escape(text: object) -> str:
    r"""A text from anywhere as HTML shows it: no tags, no control characters; what is `Markup` stays.

    >>> escape("<b>\x00"), escape(Markup("<b>"))
    ('&lt;b&gt;\\x00', '<b>')
    """
    return text if isinstance(text, Markup) else html.escape(printable(str(text)))


def cut(text: str, length: int = SHOWN) -> str:
    """The beginning of a text."""
    return text if len(text) <= length else text[: length - 1] + "…"


def figure(value: float | None, digits: int = 4) -> str:
    """A score or a share, rounded; a dash where there is none.

    >>> figure(0.12345), figure(float("nan")), figure(123456.0), figure(2.5e-7)
    ('0.1235', '–', '123,456', '2.5e-07')
    """
    if value is None or not np.isfinite(value):
        return "–"
    if value and not 1e-4 <= abs(value) < 1e12:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.{digits}f}"


def element(tag: str, content: object, classes: object = "", **attributes: object) -> Markup:
    """An element around a content; attributes of the name `data_value` become `data-value`."""
    given = {**({"class": classes} if classes else {}), **attributes}
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in given.items())
    return Markup(f"<{tag}{written}>{escape(content)}</{tag}>")


def join(*parts: object, between: str = "\n") -> Markup:
    """The parts one after the other, without empty ones."""
    return Markup(between.join(escape(part) for part in parts if part != ""))


def note(text: object) -> Markup:
    """A paragraph that says how to read something, or why something is not there."""
    return element("p", text, "note")


def details(summary: object, content: object, **attributes: object) -> Markup:
    """A part that opens when its line is clicked."""
    return element("details", join(element("summary", summary), content), **attributes)


def cell(value: object) -> Markup:
    """A cell of a table: of a number right-aligned, and sorted by the number itself; one of `decimals` as it is."""
    if isinstance(value, Markup) and value.startswith(NUMBER):
        return value
    if isinstance(value, float | np.floating):
        return element("td", figure(float(value)), "n", data_value=f"{float(value):.9g}")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return element("td", f"{int(value):,}", "n", data_value=int(value))
    return element("td", value)


def decimals(value: float, digits: int) -> Markup:
    """A cell of a number that has no more digits than it is worth."""
    return element("td", f"{value:,.{digits}f}", "n", data_value=f"{value:.9g}")


def table(header: Sequence[object], rows: Iterable[Sequence[Any]], classes: str = "") -> Markup:
    """A table with a line of heads, which sort it when clicked; "" without rows.

    A column without any content is left out. With the class "cards" a row becomes a block on a phone, each cell behind
    the name of its column.
    """
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        return Markup("")
    columns = zip(header, zip(*cells, strict=True), strict=True)
    shown = [(name, column) for name, column in columns if {*column} != {cell("")}]
    numbers = ["n" if any(part.startswith(NUMBER) for part in column) else "" for _, column in shown]
    heads = "".join(element("th", name, css, scope="col") for (name, _), css in zip(shown, numbers, strict=True))
    body = [Markup(f"<tr>{''.join(row)}</tr>") for row in zip(*(column for _, column in shown), strict=True)]
    parts = Markup(f"<thead><tr>{heads}</tr></thead><tbody>"), *body, Markup("</tbody>")
    return element("div", element("table", join(*parts), classes), "scroll")


def some(parts: Sequence[Markup], shown: int, what: str, most: int = 60) -> Markup:
    """Many like parts: the first ones in sight, others in a part that opens, and no more than `most`."""
    shown += len(parts) == shown + 1
    rest = parts[shown:most]
    more = details(f"{len(rest)} more {what}", element("div", join(*rest), "charts")) if rest else ""
    left_out = note(f"{len(parts) - most:,} more {what} are left out.") if len(parts) > most else ""
    return join(element("div", join(*parts[:shown]), "charts"), more, left_out)
