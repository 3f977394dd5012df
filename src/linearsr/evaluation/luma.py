"""The two brightnesses that metrics are taken on.

    studio = 16 + (65.481 R + 128.553 G + 24.966 B) / 255        BT.601, from 16 to 235: PSNR and SSIM of the SR tables
    full   = round(0.299 R + 0.587 G + 0.114 B)                  from 0 to 255: what the authors of the others read

Images are (H, W, 3) uint8, brightnesses (H, W) float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]


def studio_luma(rgb: NDArray[np.uint8]) -> Plane:
    """BT.601 luma in studio range, not rounded."""
    luma: Plane = rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    return luma


def full_luma(rgb: NDArray[np.uint8]) -> Plane:
    """Luma in full range, rounded to whole numbers."""
    luma: Plane = np.round(rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))
    return luma
