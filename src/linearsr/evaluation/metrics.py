"""The metrics by name: what each needs, which way is better, and how it is computed from two 8-bit RGB images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.fidelity import luma, ms_ssim, psnr, ssim
from linearsr.models.perceptual import DISTS, LPIPS, PerceptualDistance

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Measure = Callable[[Pixels, Pixels], float]
PERCEPTUAL_FILES = {
    "lpips": ("lpips_alexnet.safetensors",),
    "dists": ("lpips_vgg16.safetensors", "dists.safetensors"),
}
"""Weight files of the learned metrics, as ``recipes/perceptual_weights.py`` writes them."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of an output against its reference. ``measure(output, reference)``; ``smallest`` side it needs."""

    name: str
    higher_is_better: bool
    measure: Measure
    smallest: int = 1


def plain_metrics(border: int = 0) -> dict[str, Metric]:
    """The metrics that need no weights; ``border`` pixels are left out on every side."""

    def cut(pixels: Pixels) -> Pixels:
        return pixels[border : len(pixels) - border, border : pixels.shape[1] - border] if border else pixels

    def on_luma(score: Callable[[NDArray[np.float64], NDArray[np.float64]], float]) -> Measure:
        return lambda output, reference: score(luma(cut(output)), luma(cut(reference)))

    def on_rgb(output: Pixels, reference: Pixels) -> float:
        return psnr(cut(output).astype(np.float64), cut(reference).astype(np.float64))

    margin = 2 * border
    metrics = (
        Metric(name="psnr", higher_is_better=True, measure=on_luma(psnr), smallest=1 + margin),
        Metric(name="psnr_rgb", higher_is_better=True, measure=on_rgb, smallest=1 + margin),
        Metric(name="ssim", higher_is_better=True, measure=on_luma(ssim), smallest=11 + margin),
        Metric(name="ms_ssim", higher_is_better=True, measure=on_luma(ms_ssim), smallest=176 + margin),
    )
    return {metric.name: metric for metric in metrics}


def choose_metrics(names: Sequence[str], *, weights: Path | None, border: int = 0) -> list[Metric]:
    """Return the metrics of these names; learned ones read their networks from ``weights``.

    Raises:
        ConfigError: if a name is unknown or named twice, or the border is negative.
        DataError: if a learned metric is asked for and its weights are missing.
    """
    plain = plain_metrics(border)
    known = (*plain, *PERCEPTUAL_FILES)
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) != len(names) or not names:
        raise ConfigError(f"metrics {', '.join(names)!r} cannot be used", remedy=f"choose from {', '.join(known)}")
    if border < 0:
        raise ConfigError(f"border must not be negative, not {border}", remedy="0 compares the whole image")
    return [plain[name] if name in plain else _perceptual(name, weights) for name in names]


def _perceptual(name: str, weights: Path | None) -> Metric:
    files = PERCEPTUAL_FILES[name]
    missing = [file for file in files if weights is None or not (weights / file).is_file()]
    if weights is None or missing:
        raise DataError(
            f"{name} needs {', '.join(missing)} in {weights or 'the folder given with --weights'}",
            remedy="make them with recipes/perceptual_weights.py, or leave the metric out",
        )
    loaded = [load_file(weights / file) for file in files]
    network = LPIPS(*loaded) if name == "lpips" else DISTS(*loaded)
    return Metric(name=name, higher_is_better=False, measure=partial(_distance, network.eval()), smallest=64)


@torch.inference_mode()
def _distance(network: PerceptualDistance, output: Pixels, reference: Pixels) -> float:
    x, y = (torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None] for pixels in (output, reference))
    return float(network(x, y))
