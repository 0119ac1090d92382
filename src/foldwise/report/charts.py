"""Charts as inline SVG: 360 units wide, which is a phone's width, so that their letters keep their size.

Colours come from classes of the style sheet, one for each series (`a`, `b`, …), and follow light and dark.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from foldwise.report.markup import Markup, element, escape, join

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 36  # of the frame inside


class Axis(NamedTuple):
    """What an axis shows, from `low` to `high`."""

    label: str
    low: float
    high: float
    log: bool = False

    def places(self, values: Iterable[float]) -> np.ndarray:
        """Places between 0 and 1; what lies beyond the ends stands there."""
        given, low, high = np.asarray(list(values), dtype=np.float64), self.low, self.high
        if self.log:
            given, low, high = np.log10(np.maximum(given, 1e-300)), math.log10(low), math.log10(high)
        return np.clip((given - low) / (high - low or 1), 0, 1)


def span(label: str, *values: Iterable[float], log: bool = False) -> Axis:
    """An axis on which all finite values have room."""
    joined = np.concatenate([np.asarray(list(part), dtype=np.float64) for part in values] or [np.empty(0)])
    finite = joined[np.isfinite(joined) & ((joined > 0) | (not log))]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 2.0)
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return Axis(label, low, high, log)


def ticks(axis: Axis, count: int = 4) -> list[float]:
    """Round numbers on an axis, about `count`.

    >>> ticks(Axis("", 0.0, 1.0)), ticks(Axis("", 1e-4, 0.2, log=True))
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0001, 0.001, 0.01, 0.1])
    """
    if axis.log:
        powers = range(math.ceil(math.log10(axis.low) - 1e-9), math.floor(math.log10(axis.high)) + 1)
        return [10.0**power for power in powers] or [axis.low, axis.high]
    rough = (axis.high - axis.low) / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first = math.ceil(axis.low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(axis.high / step + 1e-9) + 1)]


def label(value: float) -> str:
    """A number beside an axis."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.0e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def x_of(axis: Axis, values: Iterable[float]) -> list[str]:
    """Where values lie from left to right."""
    return [f"{place:.1f}" for place in (LEFT + axis.places(values) * (WIDTH - LEFT - RIGHT)).tolist()]


def y_of(axis: Axis, values: Iterable[float]) -> list[str]:
    """Where values lie from top to bottom."""
    return [f"{place:.1f}" for place in (HEIGHT - BOTTOM - axis.places(values) * (HEIGHT - TOP - BOTTOM)).tolist()]


def chart(title: str, x: Axis, y: Axis, marks: Sequence[Markup], legend: Sequence[tuple[str, str]] = ()) -> Markup:
    """A frame with its marks; `legend` has the class and the name of each series."""
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    parts = [Markup(f'<path class="grid" d="M{left} {top}V{bottom}H{right}"/>')]
    for value, place in zip(ticks(x), x_of(x, ticks(x)), strict=True):
        parts.append(Markup(f'<text x="{place}" y="{bottom + 14}" text-anchor="middle">{label(value)}</text>'))
    for value, place in zip(ticks(y), y_of(y, ticks(y)), strict=True):
        parts.append(Markup(f'<path class="grid" d="M{left} {place}H{right}"/>'))
        parts.append(Markup(f'<text x="{left - 5}" y="{place}" dy="4" text-anchor="end">{label(value)}</text>'))
    middle = (left + right) / 2
    parts.append(Markup(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x.label)}</text>'))
    turned = f"translate(11 {(top + bottom) / 2}) rotate(-90)"
    parts.append(Markup(f'<text transform="{turned}" text-anchor="middle">{escape(y.label)}</text>'))
    frame = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria_label": title or y.label}
    keys = join(*(element("span", name, f"key {css}") for css, name in legend), between=" ")
    caption = element("figcaption", join(element("b", title) if title else "", keys, between=" "))
    return element("figure", join(caption, element("svg", join(*parts, *marks, between=""), **frame)))


def line(x: Axis, y: Axis, xs: Iterable[float], ys: Iterable[float], css: str = "a") -> Markup:
    """A line through points; it breaks where a value is not finite."""
    points, path, pen = np.column_stack([list(xs), list(ys)]).astype(np.float64), [], "M"
    places = zip(points.tolist(), x_of(x, points[:, 0]), y_of(y, points[:, 1]), strict=True)
    for point, across, down in places:
        if not np.isfinite(point).all():
            pen = "M"
            continue
        path.append(f"{pen}{across} {down}")
        pen = "L"
    return Markup(f'<path class="line {css}" d="{"".join(path)}"/>')


def dots(x: Axis, y: Axis, xs: Iterable[float], ys: Iterable[float], css: str = "a") -> Markup:
    """Points."""
    places = zip(x_of(x, xs), y_of(y, ys), strict=True)
    path = "".join(f"M{across} {down}h0" for across, down in places)
    return Markup(f'<path class="dots {css}" d="{path}"/>')


def bars(x: Axis, y: Axis, edges: Sequence[float], heights: Sequence[float], css: str = "a") -> Markup:
    """A histogram as one filled shape: heights between edges."""
    across, down = x_of(x, edges), y_of(y, heights)
    (ground,) = y_of(y, [max(y.low, 0)])
    steps = "".join(f"V{top}H{right}" for top, right in zip(down, across[1:], strict=True))
    return Markup(f'<path class="area {css}" d="M{across[0]} {ground}{steps}V{ground}Z"/>')


def upright(x: Axis, value: float, css: str = "mark") -> Markup:
    """A line from bottom to top."""
    (place,) = x_of(x, [value])
    return Markup(f'<path class="line {css}" d="M{place} {TOP}V{HEIGHT - BOTTOM}"/>')


def histogram(title: str, label_: str, series: Sequence[tuple[str, np.ndarray]], bins: int = 40) -> Markup:
    """How values of one or more series spread, each as shares of its own rows."""
    finite = [(name, values[np.isfinite(values)]) for name, values in series]
    finite = [(name, values) for name, values in finite if len(values)]
    if not finite:
        return Markup("")
    x = span(label_, *(values for _, values in finite))
    edges = np.linspace(x.low, x.high, bins + 1)
    shares = [np.histogram(values, edges)[0] / len(values) for _, values in finite]
    y = Axis("share of rows", 0.0, max(float(np.max(part)) for part in shares) or 1.0)
    classes = "abcdef"
    marks = [bars(x, y, edges.tolist(), part.tolist(), css) for part, css in zip(shares, classes, strict=False)]
    return chart(title, x, y, marks, [(css, name) for (name, _), css in zip(finite, classes, strict=False)])
