"""Small plots as SVG: bars, lines and scatters, drawn as text, so that a report needs no library and stays sharp.

Every function returns one `<svg>` element of a fixed size on white.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

# Okabe and Ito's colours, told apart by colour-blind readers, most common first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#332288")
INK, FAINT = "#333", "#ddd"
FONT = "font-family='system-ui, sans-serif' font-size='11'"
WIDTH, HEIGHT = 320, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 26, 34
BAR_PX = 18


Points = Sequence[tuple[float, float]]
Draw = Callable[[Points, str], list[str]]


@dataclass(frozen=True)
class Series:
    """Points of one colour.

    Attributes:
        label: in the legend.
        x, y: of the points, finite.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]


def bars(title: str, labels: Sequence[str], values: Sequence[float], errors: Sequence[float], digits: int) -> str:
    """Horizontal bars from zero, or from a negative value, with their figures and standard errors."""
    name_px = 8 + 6 * max(len(label) for label in labels)
    low, high = min(0.0, *values), max(0.0, *(value + error for value, error in zip(values, errors, strict=True)))
    span = (high - low) or 1.0
    plot_px = WIDTH - 58

    def place(value: float) -> float:
        return name_px + (value - low) / span * plot_px

    body = [_text(4, 14, title, weight="bold")]
    for row, (label, value, error) in enumerate(zip(labels, values, errors, strict=True)):
        y = TOP + row * (BAR_PX + 5)
        start, end = sorted((place(0.0), place(value)))
        body.append(_text(name_px - 6, y + 13, label, anchor="end"))
        body.append(
            f"<rect x='{start:.1f}' y='{y}' width='{end - start:.1f}' height='{BAR_PX}' fill='{_colour(row)}'/>"
        )
        if error:
            middle = y + BAR_PX / 2
            body.append(_line(place(value - error), middle, place(value + error), middle, INK))
        body.append(_text(max(end, place(value + error)) + 4, y + 13, f"{value:.{digits}f}"))
    return _svg(name_px + WIDTH, TOP + len(labels) * (BAR_PX + 5) + 6, body)


def lines(title: str, x_title: str, series: Sequence[Series]) -> str:
    """Curves through marked points, with a legend below."""
    return _chart(title, x_title, series, _curve, is_square=False)


def scatter(title: str, x_title: str, series: Sequence[Series]) -> str:
    """Dots, with the diagonal on which result and target are equal."""
    return _chart(title, x_title, series, _dots, is_square=True)


def _chart(title: str, x_title: str, series: Sequence[Series], draw: Draw, is_square: bool) -> str:
    x_values, y_values = [x for one in series for x in one.x], [y for one in series for y in one.y]
    if is_square:
        x_values = y_values = x_values + y_values
    x_axis, y_axis = _Axis.of(x_values, LEFT, WIDTH - RIGHT), _Axis.of(y_values, HEIGHT - BOTTOM, TOP)
    body = [_text(4, 14, title, weight="bold"), _text((LEFT + WIDTH) / 2, HEIGHT - 4, x_title, anchor="middle")]
    for value in y_axis.ticks:
        body.append(_line(LEFT, y_axis.place(value), WIDTH - RIGHT, y_axis.place(value), FAINT))
        body.append(_text(LEFT - 4, y_axis.place(value) + 4, f"{value:g}", anchor="end"))
    for value in x_axis.ticks:
        body.append(_text(x_axis.place(value), HEIGHT - BOTTOM + 14, f"{value:g}", anchor="middle"))
    if is_square:
        ends = (x_axis.low, x_axis.high)
        body.append(_line(*(axis.place(end) for end in ends for axis in (x_axis, y_axis)), "#999"))
    for number, one in enumerate(series):
        points = [(x_axis.place(x), y_axis.place(y)) for x, y in zip(one.x, one.y, strict=True)]
        body += draw(points, _colour(number))
    height = HEIGHT
    if len(series) > 1:
        for number, one in enumerate(series):
            body.append(f"<rect x='{LEFT}' y='{height + 3}' width='10' height='10' fill='{_colour(number)}'/>")
            body.append(_text(LEFT + 15, height + 12, one.label))
            height += 16
    return _svg(WIDTH, height + 4, body)


@dataclass(frozen=True)
class _Axis:
    """Numbers to pixels.

    Attributes:
        low, high: the ends, whole ticks.
        ticks: round numbers between them.
        start, end: pixels of the ends.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    start: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = min(values), max(values)
        if low == high:
            low, high = low - 0.5, high + 0.5
        magnitude = 10.0 ** math.floor(math.log10((high - low) / 4))
        step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= (high - low) / 5)
        first, last = math.floor(low / step), math.ceil(high / step)
        ticks = tuple(round(step * number, 10) for number in range(first, last + 1))
        return cls(ticks[0], ticks[-1], ticks, start, end)

    def place(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _curve(points: Points, colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>", *_dots(points, colour)]


def _dots(points: Points, colour: str) -> list[str]:
    return [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{colour}' fill-opacity='0.7'/>" for x, y in points]


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def _text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    style = f"text-anchor='{anchor}' font-weight='{weight}' fill='{INK}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>"


def _svg(width: float, height: float, body: Sequence[str]) -> str:
    size = f"width='{width:.0f}' height='{height:.0f}' viewBox='0 0 {width:.0f} {height:.0f}'"
    paper = "<rect width='100%' height='100%' fill='#fff'/>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}>{paper}{''.join(body)}</svg>"
