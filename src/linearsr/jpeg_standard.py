"""What JPEG is made of: the tables of ITU-T T.81, annex K, libjpeg's scale of quality, and the DCT of a block."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Table = tuple[tuple[int, ...], ...]

LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Steps of luma at quality 50, a row of the table for each vertical frequency (table K.1)."""
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99, 99, 99, 99, 99, 99, 99, 99),) * 4,
)
"""Those of chroma (table K.2)."""


def tables(base: Table, quality: Tensor) -> Tensor:
    """Quantisation tables (B, 64) of a table of annex K at the (B,) qualities."""
    return (
        ((torch.tensor(base, dtype=torch.float32).flatten() * _percent(quality)[:, None] + 50) / 100)
        .floor()
        .clamp(1, 255)
    )


def step_scale(quality: int) -> float:
    """Return how coarse the steps of a quality are, beside those of quality 50."""
    return float(_percent(torch.tensor([float(quality)]))) / 100


def block_dct() -> Tensor:
    """The orthonormal two-dimensional DCT of an 8x8 block as one (64, 64) matrix."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None, :]
    matrix = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return torch.kron(matrix, matrix)


def _percent(quality: Tensor) -> Tensor:
    return torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
