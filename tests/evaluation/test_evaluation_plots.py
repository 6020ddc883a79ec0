"""Plots are well-formed SVG with every point in its place."""

from xml.etree import ElementTree

import pytest

from diffusionact.evaluation.plots import Series, bars, lines, scatter

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text):
    return ElementTree.fromstring(text)


def test_bars_are_as_long_as_their_values_and_say_them():
    root = parsed(bars("APD <deg>", ["a & b", "c"], [2.0, 1.0], [0.5, 0.0], 1))
    boxes = [float(box.get("width")) for box in root.iter(f"{SVG}rect") if box.get("x")]
    assert boxes[0] == pytest.approx(2 * boxes[1], abs=0.2)
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words == ["APD <deg>", "a & b", "2.0", "c", "1.0"]


def test_negative_bars_begin_at_zero_too():
    root = parsed(bars("r", ["a", "b"], [-0.5, 0.5], [0.0, 0.0], 2))
    first, second = (box for box in root.iter(f"{SVG}rect") if box.get("x"))
    end_of_first = float(first.get("x")) + float(first.get("width"))
    assert end_of_first == pytest.approx(float(second.get("x")), abs=0.2)


def test_a_curve_passes_through_its_points_inside_the_image():
    root = parsed(
        lines("PSNR", "T", [Series("v0", [5, 10, 20], [20.0, 21.0, 21.5]), Series("v1", [5, 20], [19.0, 23.0])])
    )
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter(f"{SVG}circle")]
    assert len(dots) == 5
    assert dots[0][0] < dots[1][0] < dots[2][0] and dots[0][1] > dots[1][1] > dots[2][1]  # y grows downwards
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(0 < x < width and 0 < y < height for x, y in dots)
    assert "v1" in [text.text for text in root.iter(f"{SVG}text")]


def test_equal_coordinates_lie_on_the_diagonal_of_a_scatter():
    root = parsed(scatter("yaw", "target", [Series("v0", [-10.0, 0.0, 25.0], [-10.0, 0.0, 25.0])]))
    diagonal = next(line for line in root.iter(f"{SVG}line") if line.get("stroke") == "#999")
    x1, y1, x2, y2 = (float(diagonal.get(name)) for name in ("x1", "y1", "x2", "y2"))
    for dot in root.iter(f"{SVG}circle"):
        x, y = float(dot.get("cx")), float(dot.get("cy"))
        assert y == pytest.approx(y1 + (x - x1) / (x2 - x1) * (y2 - y1), abs=0.3)


def test_a_single_value_has_an_axis_all_the_same():
    assert len(list(parsed(lines("APD", "T", [Series("v0", [5], [3.0])])).iter(f"{SVG}circle"))) == 1
