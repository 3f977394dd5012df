"""JPEG in torch: the lossy half of the codec (4:2:0 chroma, 8x8 DCT, quantisation), without entropy coding.

Follows ITU-T T.81 with the Annex K tables, libjpeg's quality scale and its roundings. Shapes: B pictures, planes of
(B, C, H, W) in 8-bit levels, blocks of (B, C, H/8, W/8, 64).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.canvas import Canvas
from linearsr.jpeg_standard import CHROMA, LUMA, block_dct, tables

_RGB_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_YCC_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg_roundtrip(canvas: Canvas, quality: Tensor) -> Canvas:
    """Return RGB pictures in [0, 1] as they look after JPEG coding at their (B,) quality (1 worst, 100 best)."""
    levels = _rounded(canvas.repeated(16).clamp(0, 1) * 255)
    ycc = _rounded(_mix(levels, _RGB_TO_YCC))
    luma = _code(ycc[:, :1] - 128, tables(LUMA, quality)) + 128
    chroma = _code(_rounded(F.avg_pool2d(ycc[:, 1:], 2)), tables(CHROMA, quality))
    # As libjpeg does, chroma is interpolated within the picture: what was padded to whole blocks stays out of it.
    halves = tuple((-(-height // 2), -(-width // 2)) for height, width in canvas.sizes)
    chroma = F.interpolate(Canvas(chroma, halves).repeated(1), scale_factor=2, mode="bilinear")
    rgb = _rounded(_mix(torch.cat((luma, chroma), 1), _YCC_TO_RGB)).clamp(0, 255) / 255
    return Canvas(rgb[..., : canvas.pixels.shape[-2], : canvas.pixels.shape[-1]], canvas.sizes)


def _code(plane: Tensor, tables: Tensor) -> Tensor:
    """Transform every 8x8 block, round to multiples of the table, and transform back; whole levels."""
    batch, channels, height, width = plane.shape
    shape = (batch, channels, height // 8, 8, width // 8, 8)
    blocks = plane.reshape(shape).transpose(3, 4).reshape(batch, channels, height // 8, width // 8, 64)
    dct = block_dct().to(plane)
    steps = tables.to(plane)[:, None, None, None, :]
    coded = (_rounded(blocks @ dct.T / steps) * steps) @ dct
    return _rounded(coded.reshape(*coded.shape[:-1], 8, 8).transpose(3, 4).reshape(plane.shape))


def _rounded(x: Tensor) -> Tensor:
    """Round to nearest, ties up. The margin keeps the many exact ties of whole levels from hanging on the last bit."""
    return (x + (0.5 + 1e-3)).floor()


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("oc,bchw->bohw", torch.tensor(matrix).to(x), x)
