"""Synthetic degradation: turns an HR photo into a plausible LR one.

The second-order process of Real-ESRGAN (Wang et al., 2021, arXiv:2107.10833): twice (blur, resize, noise, JPEG), then
a final resize, a sinc filter and JPEG in random order. Every random choice comes from the caller's generator, so a
pair is a pure function of (photo, preset, seed).

Shapes: images are (1, 3, H, W) float in [0, 1], RGB. Kernels are (K, K) and sum to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.jpeg import jpeg_roundtrip

KERNEL_KINDS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
KERNEL_WEIGHTS = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)


@dataclass(frozen=True, kw_only=True)
class DegradationStage:
    """One pass of blur, resize, noise and JPEG. Noise sigma is in 8-bit grey levels; kernel sigma in pixels."""

    blur_probability: float = 1.0
    sinc_probability: float = 0.1
    kernel_sigma: tuple[float, float] = (0.2, 3.0)
    resize_probabilities: tuple[float, float, float] = (0.2, 0.7, 0.1)
    resize_range: tuple[float, float] = (0.15, 1.5)
    noise_probability: float = 1.0
    gaussian_probability: float = 0.5
    gaussian_sigma: tuple[float, float] = (1.0, 30.0)
    poisson_scale: tuple[float, float] = (0.05, 3.0)
    gray_noise_probability: float = 0.4
    jpeg_probability: float = 1.0
    jpeg_quality: tuple[float, float] = (30.0, 95.0)


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """A whole process: one or two stages, then the final reduction to 1/``scale``."""

    name: str
    first: DegradationStage
    second: DegradationStage | None = None
    final_sinc_probability: float = 0.0
    scale: int = 4


def real_esrgan() -> Degradation:
    """The second-order process in the moderate ranges that LinearSR trains with (first resize in [0.3, 1.5])."""
    return Degradation(
        name="real_esrgan",
        first=DegradationStage(
            resize_range=(0.3, 1.5), gaussian_sigma=(1.0, 15.0), poisson_scale=(0.05, 2.0), jpeg_quality=(60.0, 95.0)
        ),
        second=DegradationStage(
            blur_probability=0.5,
            kernel_sigma=(0.2, 1.5),
            resize_probabilities=(0.3, 0.4, 0.3),
            resize_range=(0.6, 1.2),
            gaussian_sigma=(1.0, 12.0),
            poisson_scale=(0.05, 1.0),
            jpeg_quality=(60.0, 100.0),
        ),
        final_sinc_probability=0.8,
    )


def light() -> Degradation:
    """Mild blur, a little noise and web-quality JPEG: the everyday small picture."""
    return Degradation(
        name="light",
        first=DegradationStage(
            blur_probability=0.6,
            kernel_sigma=(0.2, 2.0),
            resize_probabilities=(0.0, 0.0, 1.0),
            noise_probability=0.5,
            gaussian_sigma=(0.5, 6.0),
            poisson_scale=(0.05, 0.6),
            jpeg_probability=0.6,
            jpeg_quality=(70.0, 97.0),
        ),
    )


def camera() -> Degradation:
    """Optical blur and faint sensor noise, no JPEG: the look of RealSR and DRealSR pairs."""
    return Degradation(
        name="camera",
        first=DegradationStage(
            sinc_probability=0.0,
            kernel_sigma=(0.6, 3.6),
            resize_probabilities=(0.0, 0.0, 1.0),
            noise_probability=0.6,
            gaussian_sigma=(0.3, 3.0),
            poisson_scale=(0.02, 0.3),
            jpeg_probability=0.0,
        ),
    )


def degrade(hr: Tensor, config: Degradation, generator: torch.Generator) -> Tensor:
    """Return the LR image of ``hr``.

    Args:
        hr: (1, 3, H, W) in [0, 1]; H and W must be multiples of ``config.scale``.
        config: the process, for example :func:`real_esrgan`.
        generator: CPU generator that supplies every random choice.

    Returns:
        (1, 3, H/scale, W/scale) in [0, 1], rounded to 8-bit levels.
    """
    size = (hr.shape[-2] // config.scale, hr.shape[-1] // config.scale)
    x = hr
    for stage in (config.first, config.second):
        if stage is not None:
            x = _apply_stage(x, stage, generator)
    x = _finish(x, config, size, generator)
    return (x.clamp(0, 1) * 255).round() / 255


def _apply_stage(x: Tensor, stage: DegradationStage, generator: torch.Generator) -> Tensor:
    if _chance(stage.blur_probability, generator):
        x = _filter(x, _random_kernel(stage, generator))
    x = _random_resize(x, stage, generator)
    if _chance(stage.noise_probability, generator):
        x = _random_noise(x, stage, generator)
    if _chance(stage.jpeg_probability, generator):
        x = jpeg_roundtrip(x, _uniform(stage.jpeg_quality, generator))
    return x


def _finish(x: Tensor, config: Degradation, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Final resize, with the closing sinc filter before or after a last JPEG when the process is second-order."""
    mode = _pick(("area", "bilinear", "bicubic"), (1, 1, 1), generator)
    if config.second is None:
        return _resize(x, size, mode)
    quality = _uniform(config.second.jpeg_quality, generator)
    jpeg_first = _chance(0.5, generator)
    if jpeg_first:
        x = jpeg_roundtrip(x, quality)
    x = _resize(x, size, mode)
    if _chance(config.final_sinc_probability, generator):
        x = _filter(x, sinc_kernel(_uniform((math.pi / 3, math.pi), generator), _random_size(generator))).clamp(0, 1)
    return x if jpeg_first else jpeg_roundtrip(x, quality)


def _random_kernel(stage: DegradationStage, generator: torch.Generator) -> Tensor:
    size = _random_size(generator)
    if _chance(stage.sinc_probability, generator):
        lowest = math.pi / 3 if size < 13 else math.pi / 5
        return sinc_kernel(_uniform((lowest, math.pi), generator), size)
    kind = _pick(KERNEL_KINDS, KERNEL_WEIGHTS, generator)
    sigma_x = _uniform(stage.kernel_sigma, generator)
    isotropic = kind.endswith("iso") and not kind.endswith("aniso")
    sigma_y = sigma_x if isotropic else _uniform(stage.kernel_sigma, generator)
    angle = 0.0 if isotropic else _uniform((-math.pi, math.pi), generator)
    distance = _mahalanobis(size, sigma_x, sigma_y, angle)
    if kind.startswith("generalized"):
        kernel = torch.exp(-0.5 * distance ** _uniform((0.5, 4.0), generator))
    elif kind.startswith("plateau"):
        kernel = 1 / (distance ** _uniform((1.0, 2.0), generator) + 1)
    else:
        kernel = torch.exp(-0.5 * distance)
    normalized: Tensor = kernel / kernel.sum()
    return normalized


def sinc_kernel(cutoff: float, size: int) -> Tensor:
    """Two-dimensional ideal low-pass filter: w J1(w r) / (2 pi r), cut off at ``cutoff`` radians per pixel."""
    axis = torch.arange(size, dtype=torch.float32) - size // 2
    radius = torch.hypot(axis[:, None], axis[None, :])
    kernel = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * math.pi)
    normalized: Tensor = kernel / kernel.sum()
    return normalized


def _mahalanobis(size: int, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """Squared distance x^T S^-1 x of every kernel tap from the centre, for the rotated covariance S."""
    axis = torch.arange(size, dtype=torch.float32) - size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    along = math.cos(angle) * x + math.sin(angle) * y
    across = -math.sin(angle) * x + math.cos(angle) * y
    return (along / sigma_x) ** 2 + (across / sigma_y) ** 2


def _filter(x: Tensor, kernel: Tensor) -> Tensor:
    radius = kernel.shape[0] // 2
    mode = "reflect" if radius < min(x.shape[-2:]) else "replicate"  # a small picture has too little to reflect
    padded = F.pad(x, (radius,) * 4, mode=mode)
    return F.conv2d(padded, kernel.to(x).expand(3, 1, -1, -1), groups=3)


def _random_resize(x: Tensor, stage: DegradationStage, generator: torch.Generator) -> Tensor:
    direction = _pick(("up", "down", "keep"), stage.resize_probabilities, generator)
    if direction == "keep":
        return x
    low, high = stage.resize_range
    factor = _uniform((1.0, high) if direction == "up" else (low, 1.0), generator)
    size = (max(1, round(x.shape[-2] * factor)), max(1, round(x.shape[-1] * factor)))
    return _resize(x, size, _pick(("area", "bilinear", "bicubic"), (1, 1, 1), generator))


def _resize(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    if mode == "area":
        return F.interpolate(x, size, mode="area")
    return F.interpolate(x, size, mode=mode, antialias=min(size) < min(x.shape[-2:])).clamp(0, 1)


def _random_noise(x: Tensor, stage: DegradationStage, generator: torch.Generator) -> Tensor:
    gray = _chance(stage.gray_noise_probability, generator)
    if _chance(stage.gaussian_probability, generator):
        shape = (1, 1 if gray else 3, *x.shape[-2:])
        noise = torch.randn(shape, generator=generator).to(x) * (_uniform(stage.gaussian_sigma, generator) / 255)
    else:
        signal = x.mean(1, keepdim=True) if gray else x
        # 256 grey levels stand for the photon count at white; a Gaussian of the same variance would lose the skew.
        counts = torch.poisson((signal.clamp(0, 1) * 256).cpu(), generator=generator).to(x)
        noise = (counts / 256 - signal) * _uniform(stage.poisson_scale, generator)
    return (x + noise).clamp(0, 1)


def _random_size(generator: torch.Generator) -> int:
    return 7 + 2 * int(torch.randint(0, 8, (1,), generator=generator))


def _uniform(bounds: tuple[float, float], generator: torch.Generator) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(torch.rand(1, generator=generator))


def _chance(probability: float, generator: torch.Generator) -> bool:
    return float(torch.rand(1, generator=generator)) < probability


def _pick(options: tuple[str, ...], weights: tuple[float, ...], generator: torch.Generator) -> str:
    return options[int(torch.multinomial(torch.tensor(weights, dtype=torch.float32), 1, generator=generator))]
