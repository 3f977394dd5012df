"""Gaussian blur of one image, narrow or as wide as a photo out of focus."""

from __future__ import annotations

import math

import torch
from torch import Tensor

REACH = 3
"""Deviations that a kernel reaches to either side."""


def blurred(image: Tensor, deviation: float) -> Tensor:
    """(C, H, W) blurred; what lies beyond the border is as at the border."""
    down, across = (_blurring(side, deviation).to(image) for side in image.shape[-2:])
    return down @ image @ across.T


def _blurring(side: int, deviation: float) -> Tensor:
    """(side, side) matrix that blurs a line of pixels: in a product of matrices, wide kernels cost no more."""
    radius = math.ceil(REACH * deviation)
    taps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (taps / deviation) ** 2)
    sources = (torch.arange(side)[:, None] + taps).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, sources, (kernel / kernel.sum()).expand_as(sources))
