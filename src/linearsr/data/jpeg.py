"""JPEG in torch: the lossy half of the codec (4:2:0 chroma, 8x8 DCT, quantisation), without entropy coding.

Follows ITU-T T.81 with the Annex K tables and libjpeg's quality scale. Shapes: (1, 3, H, W) float in [0, 1], RGB.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99, 99, 99, 99, 99, 99, 99, 99),) * 4,
)
_RGB_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_YCC_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg_roundtrip(x: Tensor, quality: float) -> Tensor:
    """Return ``x`` as it looks after JPEG coding at ``quality`` (1 worst, 100 best)."""
    height, width = x.shape[-2:]
    ycc = _mix(F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate") * 255, _RGB_TO_YCC)
    luma = _code(ycc[:, :1] - 128, _table(_LUMA, quality).to(x)) + 128
    chroma = _code(F.avg_pool2d(ycc[:, 1:], 2), _table(_CHROMA, quality).to(x))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    rgb = _mix(torch.cat((luma, chroma), 1), _YCC_TO_RGB) / 255
    return rgb[..., :height, :width].clamp(0, 1)


def _table(base: tuple[tuple[int, ...], ...], quality: float) -> Tensor:
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(base, dtype=torch.float32) * percent + 50) / 100).floor().clamp(1, 255)


def _code(plane: Tensor, table: Tensor) -> Tensor:
    """DCT every 8x8 block of a (1, C, H, W) plane, round to the quantisation table, and transform back."""
    batch, channels, height, width = plane.shape
    blocks = plane.reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    dct = _dct_matrix().to(plane)
    coefficients = torch.round(dct @ blocks @ dct.T / table) * table
    return (dct.T @ coefficients @ dct).transpose(3, 4).reshape(batch, channels, height, width)


def _dct_matrix() -> Tensor:
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None, :]
    matrix = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("oc,bchw->bohw", torch.tensor(matrix).to(x), x)
