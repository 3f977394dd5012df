"""The metrics by name: what each needs, which way is better, and how it is computed from two 8-bit RGB images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from linearsr.errors import DataError
from linearsr.evaluation.brisque import BRISQUE, SupportVectors
from linearsr.evaluation.brisque import SMALLEST_SIDE as BRISQUE_SIDE
from linearsr.evaluation.fidelity import gmsd, ms_ssim, psnr, ssim
from linearsr.evaluation.luma import Plane, full_luma, studio_luma
from linearsr.evaluation.niqe import NIQE
from linearsr.evaluation.niqe import SMALLEST_SIDE as NIQE_SIDE
from linearsr.models.perceptual import DISTS, LPIPS, LPIPSOnVGG, PerceptualDistance

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Measure = Callable[[Pixels, Pixels], float]
Weights = dict[str, Tensor]
PLAIN = ("psnr", "psnr_rgb", "ssim", "ssim_rgb", "ms_ssim", "gmsd")
WEIGHT_FILES = {
    "lpips": ("lpips_alexnet.safetensors",),
    "lpips_vgg": ("lpips_vgg16.safetensors",),
    "dists": ("lpips_vgg16.safetensors", "dists.safetensors"),
    "niqe": ("niqe.safetensors",),
    "brisque": ("brisque.safetensors",),
}
"""Files of the metrics that need weights, as ``recipes/perceptual_weights.py`` writes them."""
NETWORK_SIDE = 64
BUILT_IN = (*PLAIN, *WEIGHT_FILES)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of an output: ``measure(output, reference)``; ``smallest`` is the side it needs.

    Where ``needs_reference`` is false, the second argument has no influence.
    """

    name: str
    higher_is_better: bool
    measure: Measure
    smallest: int = 1
    needs_reference: bool = True


def plain_metric(name: str, border: int = 0) -> Metric:
    """One of the ``PLAIN`` metrics, which need no weights; ``border`` pixels are left out on every side."""

    def on(score: Callable[[Plane, Plane], float], view: Callable[[Pixels], Plane]) -> Measure:
        return lambda output, reference: score(view(_cut(output, border)), view(_cut(reference, border)))

    measure, smallest = {
        "psnr": (on(psnr, studio_luma), 1),
        "psnr_rgb": (on(psnr, _as_float), 1),
        "ssim": (on(ssim, studio_luma), 11),
        "ssim_rgb": (on(_mean_over_channels(ssim), _as_float), 11),
        "ms_ssim": (on(ms_ssim, full_luma), 176),
        "gmsd": (on(gmsd, full_luma), 4),
    }[name]
    return Metric(name=name, higher_is_better=name != "gmsd", measure=measure, smallest=smallest + 2 * border)


def weighted_metric(name: str, folder: Path | None) -> Metric:
    """One of the metrics of ``WEIGHT_FILES``, reading its weights from ``folder``.

    Raises:
        DataError: if its files are missing or damaged.
    """
    files = WEIGHT_FILES[name]
    missing = [file for file in files if folder is None or not (folder / file).is_file()]
    if folder is None or missing:
        raise DataError(
            f"{name} needs {', '.join(missing)} in {folder or 'the folder given with --weights'}",
            remedy="make them with recipes/perceptual_weights.py, or leave the metric out",
        )
    try:
        return _build(name, [load_file(folder / file) for file in files])
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise DataError(f"the weights of {name} in {folder} are damaged: {error}", remedy="make them again") from error


def _build(name: str, weights: list[Weights]) -> Metric:
    if name == "niqe":
        values = _arrays(weights[0])
        niqe = NIQE(values["mean"], values["covariance"])
        return _without_reference(name, niqe, NIQE_SIDE)
    if name == "brisque":
        values = _arrays(weights[0])
        vectors, coefficients, ranges = values["vectors"], values["coefficients"], values["ranges"]
        gamma, bias = (float(values[key].item()) for key in ("gamma", "bias"))
        regression = SupportVectors(
            vectors=vectors, coefficients=coefficients, gamma=gamma, bias=bias, lowest=ranges[0], highest=ranges[1]
        )
        return _without_reference(name, BRISQUE(regression), BRISQUE_SIDE)
    network = {"lpips": LPIPS, "lpips_vgg": LPIPSOnVGG, "dists": DISTS}[name](*weights)
    return Metric(name=name, higher_is_better=False, measure=_NetworkMeasure(network), smallest=NETWORK_SIDE)


def _without_reference(name: str, score: Callable[[Pixels], float], smallest: int) -> Metric:
    def measure(output: Pixels, reference: Pixels) -> float:
        return score(output)

    return Metric(name=name, higher_is_better=False, measure=measure, smallest=smallest, needs_reference=False)


def as_tensor(pixels: Pixels) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


class _NetworkMeasure:
    """A perceptual distance that keeps the features of the last reference, which serve the next method's output."""

    def __init__(self, network: PerceptualDistance) -> None:
        self._network = network.eval()
        self._reference: Pixels | None = None
        self._features: list[Tensor] = []

    @torch.inference_mode()
    def __call__(self, output: Pixels, reference: Pixels) -> float:
        if self._reference is not reference:
            self._reference, self._features = reference, self._network.features(as_tensor(reference))
        return float(self._network.distance(self._network.features(as_tensor(output)), self._features))


def _mean_over_channels(score: Callable[[Plane, Plane], float]) -> Callable[[Plane, Plane], float]:
    return lambda x, y: sum(score(x[..., channel], y[..., channel]) for channel in range(3)) / 3


def _cut(pixels: Pixels, border: int) -> Pixels:
    return pixels[border : len(pixels) - border, border : pixels.shape[1] - border]


def _as_float(pixels: Pixels) -> Plane:
    return pixels.astype(np.float64)


def _arrays(weights: Weights) -> dict[str, NDArray[np.float64]]:
    return {name: tensor.double().numpy() for name, tensor in weights.items()}
