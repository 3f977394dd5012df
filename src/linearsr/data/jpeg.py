"""JPEG in torch: the lossy half of the codec (4:2:0 chroma, 8x8 DCT, quantisation), without entropy coding.

Follows ITU-T T.81 with the Annex K tables, libjpeg's quality scale and its roundings. Shapes: B pictures, planes of
(B, C, H, W) in 8-bit levels, blocks of (B, C, H/8, W/8, 64).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.canvas import Canvas

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


def jpeg_roundtrip(canvas: Canvas, quality: Tensor) -> Canvas:
    """Return RGB pictures in [0, 1] as they look after JPEG coding at their (B,) quality (1 worst, 100 best)."""
    levels = _rounded(canvas.repeated(16).clamp(0, 1) * 255)
    ycc = _rounded(_mix(levels, _RGB_TO_YCC))
    luma = _code(ycc[:, :1] - 128, _tables(_LUMA, quality)) + 128
    chroma = _code(_rounded(F.avg_pool2d(ycc[:, 1:], 2)), _tables(_CHROMA, quality))
    # As libjpeg does, chroma is interpolated within the picture: what was padded to whole blocks stays out of it.
    halves = tuple((-(-height // 2), -(-width // 2)) for height, width in canvas.sizes)
    chroma = F.interpolate(Canvas(chroma, halves).repeated(1), scale_factor=2, mode="bilinear")
    rgb = _rounded(_mix(torch.cat((luma, chroma), 1), _YCC_TO_RGB)).clamp(0, 255) / 255
    return Canvas(rgb[..., : canvas.pixels.shape[-2], : canvas.pixels.shape[-1]], canvas.sizes)


def _tables(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Quantisation tables (B, 64) of an Annex K table at the (B,) qualities."""
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None]
    return ((torch.tensor(base, dtype=torch.float32).flatten() * percent + 50) / 100).floor().clamp(1, 255)


def _code(plane: Tensor, tables: Tensor) -> Tensor:
    """Transform every 8x8 block, round to multiples of the table, and transform back; whole levels."""
    batch, channels, height, width = plane.shape
    shape = (batch, channels, height // 8, 8, width // 8, 8)
    blocks = plane.reshape(shape).transpose(3, 4).reshape(batch, channels, height // 8, width // 8, 64)
    dct = _block_dct().to(plane)
    steps = tables.to(plane)[:, None, None, None, :]
    coded = (_rounded(blocks @ dct.T / steps) * steps) @ dct
    return _rounded(coded.reshape(*coded.shape[:-1], 8, 8).transpose(3, 4).reshape(plane.shape))


def _rounded(x: Tensor) -> Tensor:
    """Round to nearest, ties up. The margin keeps the many exact ties of whole levels from hanging on the last bit."""
    return (x + (0.5 + 1e-3)).floor()


def _block_dct() -> Tensor:
    """The orthonormal two-dimensional DCT of an 8x8 block as one (64, 64) matrix."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None, :]
    matrix = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return torch.kron(matrix, matrix)


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("oc,bchw->bohw", torch.tensor(matrix).to(x), x)
