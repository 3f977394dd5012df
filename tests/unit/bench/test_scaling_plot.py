import io
import sys

import PIL.Image
import pytest

from linearsr.bench.scaling import Point
from linearsr.bench.scaling_plot import plot_scaling
from linearsr.errors import InputError

POINTS = [
    Point(attention=name, side=32 * side, tokens=side**2, seconds=side**exponent, memory=side)
    for name, exponent in (("linear", 2), ("softmax", 4))
    for side in (16, 32, 64)
]


def test_a_picture_is_drawn():
    with PIL.Image.open(io.BytesIO(plot_scaling(POINTS, "png"))) as image:
        colors = {color for _, color in image.convert("RGB").getcolors(1 << 20)}
    assert {(31, 119, 180), (214, 39, 40)} <= colors, "both models have their line"


def test_slopes_are_named():
    text = plot_scaling(POINTS, "svg").decode()
    assert "linear, slope 1.00" in text
    assert "softmax, slope 2.00" in text


def test_nothing_measured_is_an_empty_picture():
    assert plot_scaling([], "svg").startswith(b"<?xml")
    assert plot_scaling([Point(attention="linear", side=64, tokens=4)], "svg").startswith(b"<?xml")


def test_unknown_formats_are_refused():
    with pytest.raises(InputError, match="'gif'"):
        plot_scaling(POINTS, "gif")


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="linearsr\\[plots\\]"):
        plot_scaling(POINTS, "png")
