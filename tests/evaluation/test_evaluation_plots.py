"""Plots show every value where it belongs, and are SVG documents that need nothing from elsewhere."""

from xml.etree import ElementTree

import numpy as np
import pytest

from diffusionact.evaluation.plot_data import BarPlot, CurvePlot, ScatterPlot, Series

pytest.importorskip("matplotlib", reason="matplotlib (the evaluate extra) is absent")

from diffusionact.evaluation import plots  # noqa: E402

TEXT = "{http://www.w3.org/2000/svg}text"
BARS = BarPlot("APD <deg> ↓", ["a & b", "c$d$"], [2.0, -1.0], [0.5, 0.0], 1)
CURVES = CurvePlot("PSNR", "T", [Series("v0", [5, 10, 20], [20.0, 21.0, 21.5]), Series("v1", [5, 20], [19.0, 23.0])])
SCATTER = ScatterPlot("yaw", "target", [Series("v0", [-10.0, 0.0, 25.0], [-10.0, 1.0, 25.0])])


def words(plot):
    return [text.text for text in ElementTree.fromstring(plots.svg(plot)).iter(TEXT)]


def test_plots_bars_are_as_long_as_their_values():
    (axes,) = plots.draw(BARS).axes
    assert [bar.get_width() for bar in axes.patches] == [2.0, -1.0]
    assert [bar.get_x() for bar in axes.patches] == [0.0, 0.0]
    low, high = sorted(axes.get_xlim())
    assert low < -1.0 and high > 2.5  # bars and their errors are inside


def test_plots_bars_print_labels_and_values_as_they_are():
    assert {"APD <deg> ↓", "a & b", "c$d$", "2.0", "-1.0"} <= set(words(BARS))


def test_plots_curves_pass_through_their_points():
    (axes,) = plots.draw(CURVES).axes
    for line, series in zip(axes.lines, CURVES.series, strict=True):
        assert np.array_equal(line.get_xydata(), np.stack([series.x, series.y], axis=1))
        assert line.get_linestyle() == "-"
    assert {"PSNR", "T", "v0", "v1"} <= set(words(CURVES))


def test_plots_scatter_has_unjoined_dots_and_the_diagonal():
    (axes,) = plots.draw(SCATTER).axes
    diagonal, dots = axes.lines
    assert dots.get_linestyle() == "None" and len(dots.get_xydata()) == 3
    assert diagonal.get_slope() == 1.0 and diagonal.get_xy1() == (0.0, 0.0)


def test_plots_with_one_series_have_no_legend():
    assert "v0" not in words(SCATTER)


@pytest.mark.parametrize("plot", [BARS, CURVES, SCATTER], ids=lambda plot: type(plot).__name__)
def test_plots_are_the_same_document_every_time(plot):
    text = plots.svg(plot)
    assert text == plots.svg(plot)
    assert "<image" not in text and ElementTree.fromstring(text).get("viewBox")


def test_plots_of_many_points_hold_an_image_of_them():
    count = plots.MAX_VECTOR_POINTS + 1
    many = ScatterPlot("yaw", "target", [Series("v0", list(range(count)), list(range(count)))])
    assert "data:image/png;base64," in plots.svg(many)


def test_plots_of_a_single_value_have_an_axis_all_the_same():
    (axes,) = plots.draw(CurvePlot("APD", "T", [Series("v0", [5], [3.0])])).axes
    assert axes.get_xlim()[0] < 5 < axes.get_xlim()[1]
