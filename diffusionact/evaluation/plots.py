"""Draws the plots of a report as SVG with matplotlib, which only this file imports."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .plot_data import BarPlot, CurvePlot, Plot, ScatterPlot, Series

# Okabe and Ito's colours, told apart by colour-blind readers, most common first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#332288")
INK, FAINT, DIAGONAL = "#333333", "#dddddd", "#999999"
WIDTH_IN, HEIGHT_IN = 3.4, 2.4
BAR_IN, BARS_MARGIN_IN = 0.25, 0.4
LEGEND_ROW_IN, TITLE_SIZE = 0.17, 8.5
# With more points an image of them is smaller than a list of them.
MAX_VECTOR_POINTS = 2000
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "grid.color": FAINT,
    "svg.fonttype": "none",  # words stay words
    "svg.hashsalt": "diffusionact",  # the same plot is the same file
    "text.parse_math": False,  # names of models are no formulas
}


def svg(plot: Plot) -> str:
    """The plot as an SVG document; the same text for the same plot."""
    stream = StringIO()
    with rc_context(STYLE):
        draw(plot).savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def draw(plot: Plot) -> Figure:
    """The plot as a figure of matplotlib, in the style that is set."""
    figure = Figure((WIDTH_IN, _height(plot)), layout="constrained")
    axes = figure.add_subplot()
    if isinstance(plot, BarPlot):
        _draw_bars(axes, plot)
    else:
        axes.set_xlabel(plot.x_title)
        axes.grid()
        _draw_series(axes, plot)
        if len(plot.series) > 1:
            figure.legend(loc="outside lower left", frameon=False)
    # Beside long labels a title above the bars alone would be cut.
    figure.suptitle(plot.title, x=0.01, ha="left", fontsize=TITLE_SIZE, fontweight="bold")
    return figure


def _height(plot: Plot) -> float:
    """In inches: every bar and every row of a legend has its own."""
    if isinstance(plot, BarPlot):
        return BARS_MARGIN_IN + BAR_IN * len(plot.labels)
    return HEIGHT_IN + (LEGEND_ROW_IN * len(plot.series) if len(plot.series) > 1 else 0.0)


def _draw_bars(axes: Axes, plot: BarPlot) -> None:
    """Horizontal bars from zero, with their figures and standard errors."""
    rows = range(len(plot.labels))
    axes.barh(rows, plot.values, color=[_colour(row) for row in rows], height=0.75)
    axes.errorbar(plot.values, rows, xerr=plot.errors, fmt="none", ecolor=INK, elinewidth=1)
    for row, value, error in zip(rows, plot.values, plot.errors, strict=True):
        axes.annotate(
            f"{value:.{plot.digits}f}",
            (max(0.0, value + error), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(rows, plot.labels)
    axes.tick_params(length=0, labelbottom=False)
    axes.spines["bottom"].set_visible(False)
    axes.invert_yaxis()


def _draw_series(axes: Axes, plot: CurvePlot | ScatterPlot) -> None:
    if isinstance(plot, ScatterPlot):
        axes.axline((0.0, 0.0), slope=1.0, color=DIAGONAL, linewidth=1)
        axes.set_aspect("equal", adjustable="datalim")
    line = "none" if isinstance(plot, ScatterPlot) else "-"
    is_raster = _count(plot.series) > MAX_VECTOR_POINTS
    for number, series in enumerate(plot.series):
        axes.plot(
            series.x,
            series.y,
            linestyle=line,
            marker="o",
            markersize=3,
            markeredgewidth=0,
            alpha=0.7 if isinstance(plot, ScatterPlot) else 1.0,
            color=_colour(number),
            label=series.label,
            rasterized=is_raster,
        )


def _count(series: Sequence[Series]) -> int:
    return sum(len(one.x) for one in series)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
