"""The picture of a scaling run: time and memory over tokens, both logarithmic."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from linearsr.bench.scaling import Point, fit_slopes
from linearsr.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MATPLOTLIB_FORMATS = ("png", "svg", "pdf")
_COLORS = {"linear in strips": "tab:green", "linear": "tab:blue", "softmax": "tab:red"}


def plot_scaling(points: Sequence[Point], form: str) -> bytes:
    """Draw the points and name their slopes; return the picture as ``form`` ("png", "svg" or "pdf").

    Raises:
        InputError: if matplotlib is missing or the format is not one of these.
    """
    if form not in MATPLOTLIB_FORMATS:
        raise InputError(f"cannot draw a {form!r} picture", remedy=f"use .{', .'.join(MATPLOTLIB_FORMATS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plots need matplotlib", remedy="pip install 'linearsr[plots]'") from error
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, points, "seconds", "seconds", 1.0)
    _draw(right, points, "memory", "peak memory, MB", 1e-6)
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=120)
    return stream.getvalue()


def _draw(axes: Axes, points: Sequence[Point], field: str, label: str, unit: float) -> None:
    for slope in fit_slopes(points):
        known = [(p.tokens, getattr(p, field)) for p in points if p.attention == slope.attention]
        known = [(tokens, unit * value) for tokens, value in known if value]
        exponent = getattr(slope, field)
        if exponent is not None:
            name = f"{slope.attention}, slope {exponent:.2f}"
            axes.plot(*zip(*known, strict=True), marker="o", color=_COLORS[slope.attention], label=name)
    axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
