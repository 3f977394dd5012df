"""Blur kernels of Real-ESRGAN, B at a time: Gaussian, generalised Gaussian, plateau and sinc.

    Gaussian      exp(-d / 2)                 d = x^T S^-1 x, with S the rotated covariance
    generalised   exp(-d^beta / 2)            beta in [0.5, 4]
    plateau       1 / (1 + d^beta)            beta in [1, 2]
    sinc          w J1(w r) / (2 pi r)        an ideal low-pass filter with cut-off w, in radians per pixel

Every kernel lies in the middle of a (TAPS, TAPS) field, is zero outside its own odd size, symmetric about its centre,
and sums to 1. Reference: Wang et al., 2021 (arXiv:2107.10833), sections 3.1 and 3.4, and its training options.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from linearsr.data.draws import Draws
from linearsr.data.presets import DegradationStage

TAPS = 21
"""Side of the field, and of the largest kernel; the smallest has 7."""
SIZES = tuple(range(7, TAPS + 1, 2))
ISOTROPIC, ANISOTROPIC, GENERALIZED_ISO, GENERALIZED_ANISO, PLATEAU_ISO, PLATEAU_ANISO = range(6)
KIND_WEIGHTS = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)


def blur_kernels(draws: Draws, stage: DegradationStage) -> Tensor:
    """Return (B, TAPS, TAPS) random kernels for the blur of a stage; no blur where the stage leaves it out."""
    applies, sharp = draws.chance(stage.blur_probability), draws.chance(stage.sinc_probability)
    sizes = draw_sizes(draws)
    lowest = torch.where(sizes < 13, math.pi / 3, math.pi / 5)
    cutoff = lowest + (math.pi - lowest) * draws.uniform((0, 1))
    kernels = torch.where(sharp[:, None, None], sinc_kernels(cutoff, sizes), _bell_kernels(draws, stage, sizes))
    return unless(applies, kernels)


def final_sinc_kernels(draws: Draws, probability: float) -> Tensor:
    """Return (B, TAPS, TAPS) kernels for the filter that closes a second-order process."""
    applies, sizes = draws.chance(probability), draw_sizes(draws)
    return unless(applies, sinc_kernels(draws.uniform((math.pi / 3, math.pi)), sizes))


def sinc_kernels(cutoff: Tensor, sizes: Tensor) -> Tensor:
    """Return low-pass filters of (B,) cut-offs and sizes."""
    y, x = _field()
    radius = torch.hypot(y, x)
    w = cutoff[:, None, None]
    kernels = w * torch.special.bessel_j1(w * radius) / (2 * math.pi * radius)
    kernels[:, TAPS // 2, TAPS // 2] = cutoff**2 / (4 * math.pi)
    return _normalized(kernels, sizes)


def gaussian_kernels(sigma: Tensor) -> Tensor:
    """Return round Gaussians of (B,) sigmas, as large as the field."""
    y, x = _field()
    kernels = torch.exp(-0.5 * (y**2 + x**2) / sigma[:, None, None] ** 2)
    return _normalized(kernels, torch.full(sigma.shape, TAPS))


def unless(applies: Tensor, kernels: Tensor) -> Tensor:
    """Return kernels that change nothing where ``applies`` (B,) is false."""
    nothing = torch.zeros(TAPS, TAPS)
    nothing[TAPS // 2, TAPS // 2] = 1
    return torch.where(applies[:, None, None], kernels, nothing)


def draw_sizes(draws: Draws) -> Tensor:
    """Draw (B,) odd sides of kernels."""
    return torch.tensor(SIZES)[draws.pick((1,) * len(SIZES))]


def _bell_kernels(draws: Draws, stage: DegradationStage, sizes: Tensor) -> Tensor:
    kind = draws.pick(KIND_WEIGHTS)
    round_ = (kind == ISOTROPIC) | (kind == GENERALIZED_ISO) | (kind == PLATEAU_ISO)
    along, across = draws.uniform(stage.kernel_sigma), draws.uniform(stage.kernel_sigma)
    distance = _distance(along, torch.where(round_, along, across), draws.uniform((-math.pi, math.pi)))
    # Flat and peaked shapes are equally likely, whatever the width of their ranges.
    beta = torch.where(draws.chance(0.5), draws.uniform((0.5, 1.0)), draws.uniform((1.0, 4.0)))
    plain = (kind == ISOTROPIC) | (kind == ANISOTROPIC)
    bells = torch.exp(-0.5 * distance ** torch.where(plain, 1.0, beta)[:, None, None])
    plateaus = 1 / (1 + distance ** draws.uniform((1.0, 2.0))[:, None, None])
    return _normalized(torch.where((kind >= PLATEAU_ISO)[:, None, None], plateaus, bells), sizes)


def _distance(along: Tensor, across: Tensor, angle: Tensor) -> Tensor:
    """Squared distance x^T S^-1 x of every tap from the centre, for (B,) axes of S and their rotation."""
    y, x = _field()
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    first = (cosine * x + sine * y) / along[:, None, None]
    second = (cosine * y - sine * x) / across[:, None, None]
    return first**2 + second**2


def _field() -> tuple[Tensor, Tensor]:
    axis = torch.arange(TAPS, dtype=torch.float32) - TAPS // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return y, x


def _normalized(kernels: Tensor, sizes: Tensor) -> Tensor:
    y, x = _field()
    inside = torch.maximum(y.abs(), x.abs()) <= (sizes // 2)[:, None, None]
    kept = kernels * inside
    return kept / kept.sum((1, 2), keepdim=True)
