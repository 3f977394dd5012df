"""The picture that goes with a verdict on the knee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from linearsr.errors import InputError
from linearsr.training.esgf import Knee
from linearsr.training.validation import DIAGNOSTICS


def plot_knee(curves: Mapping[str, Sequence[float]], knee: Knee, path: Path) -> None:
    """Draw every curve over the steps, one panel each, with the knee marked; the reason is the title.

    Metrics of quality, which decide, are black; what was logged to explain the run is grey and comes below them.

    Args:
        curves: "step" and one or more others, as :func:`linearsr.training.validation.read_curves` returns them.
        knee: the verdict on these curves.
        path: a .png, .svg or .pdf file.

    Raises:
        InputError: if matplotlib is missing or the format is unknown to it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plots need matplotlib", remedy="pip install 'linearsr[plots]'") from error
    steps = curves["step"]
    metrics = sorted((name for name in curves if name != "step"), key=lambda name: name in DIAGNOSTICS)
    figure = Figure(figsize=(7, 2.6 * len(metrics)), layout="constrained")
    for axes, name in zip(figure.subplots(len(metrics), squeeze=False)[:, 0], metrics, strict=True):
        color = "tab:gray" if name in DIAGNOSTICS else "black"
        axes.plot(steps, curves[name], marker=".", color=color, linewidth=1)
        if knee.index is not None:
            axes.axvline(steps[knee.index], color="tab:red", linestyle="--", label=f"knee: step {steps[knee.index]:g}")
            axes.legend()
        axes.set(xlabel="step", ylabel=name.replace("_", " ") if name in DIAGNOSTICS else name.upper())
    figure.suptitle(knee.reason, fontsize="medium", wrap=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path, dpi=120)
    except ValueError as error:
        raise InputError(f"cannot draw {path}: {error}", remedy="use .png or .svg") from error
