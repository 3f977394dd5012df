"""Fidelity to a reference, without learned weights: PSNR, SSIM, MS-SSIM and GMSD.

    PSNR(x, y) = 10 log10(255^2 / mean (x - y)^2)
    SSIM(x, y) = mean  (2 mx my + c1)(2 cxy + c2) / ((mx^2 + my^2 + c1)(vx + vy + c2))     11 x 11 Gaussian, sigma 1.5
    MS-SSIM    = l_5 prod_j cs_j ^ w_j                                                     five scales, halved each time
    GMSD(x, y) = std  (2 gx gy + 170) / (gx^2 + gy^2 + 170)                                gradients at half size

Images are (H, W) or (H, W, C) float64 from 0 to 255. References: Wang et al., 2004 (SSIM); Wang et al., 2003 (MS-SSIM);
Xue et al., 2014 (GMSD).
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Plane = NDArray[np.float64]
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WINDOW, SIGMA = 11, 1.5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
GRADIENT_CONSTANT = 170.0


def psnr(x: Plane, y: Plane) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for equal images."""
    error = float(np.mean((x - y) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(x: Plane, y: Plane) -> float:
    """Structural similarity of two (H, W) planes of at least 11 pixels a side; 1 for equal images."""
    return _similarity(_tensor(x), _tensor(y))[0]


def ms_ssim(x: Plane, y: Plane) -> float:
    """Multi-scale structural similarity of two (H, W) planes of at least 176 pixels a side."""
    a, b = _tensor(x), _tensor(y)
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        whole, contrast = _similarity(a, b)
        product *= max(whole if scale == len(SCALE_WEIGHTS) - 1 else contrast, 0.0) ** weight
        a, b = (F.avg_pool2d(plane, 2, padding=(plane.shape[-2] % 2, plane.shape[-1] % 2)) for plane in (a, b))
    return product


def gmsd(x: Plane, y: Plane) -> float:
    """Gradient magnitude similarity deviation of two (H, W) planes of at least 4 pixels a side; 0 for equal images."""
    a, b = _gradient(_tensor(x)), _gradient(_tensor(y))
    similarity = (2 * a * b + GRADIENT_CONSTANT) / (a**2 + b**2 + GRADIENT_CONSTANT)
    return float(similarity.std())


def _gradient(plane: Tensor) -> Tensor:
    """Magnitude of the Prewitt gradient of the plane at half size; outside both lies zero."""
    height, width = plane.shape[-2:]
    half = F.avg_pool2d(F.pad(plane, (0, width % 2, 0, height % 2)), 2)
    across = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64).expand(1, 1, 3, 3) / 3
    kernels = torch.cat((across, across.mT))
    magnitude: Tensor = F.conv2d(half, kernels, padding=1).square().sum(1).sqrt()
    return magnitude


def _similarity(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return SSIM and its contrast-structure part."""
    taps = torch.exp(-((torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    taps = taps / taps.sum()

    def blur(plane: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(plane, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    contrast = (2 * covariance + C2) / (var_x + var_y + C2)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return float((luminance * contrast).mean()), float(contrast.mean())


def _tensor(plane: Plane) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(plane, dtype=np.float64))[None, None]
