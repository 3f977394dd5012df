"""Local texture energy: how much detail of which orientation a picture has, in the two octaves that x4 reduction takes.

    e_d(cell) = ln( mean over the cell of (d * y)^2 + eps )        y luma; d a second difference in one of 4 directions

at full and at half resolution, in cells of 16 x 16 pixels: 2 x 4 values a cell, and four cells to a latent cell of
32 x 32 pixels make 32 channels. It says what the LR image cannot: not where each hair is, but that there is hair.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TEXTURE_CHANNELS = 32
CELL = 16
EPS = 1e-4
"""Energy of about one grey level of 255, in images from -1 to 1: below it there is nothing to see."""
_DIRECTIONS = (
    ((0, 0, 0), (-1, 2, -1), (0, 0, 0)),
    ((0, -1, 0), (0, 2, 0), (0, -1, 0)),
    ((-1, 0, 0), (0, 2, 0), (0, 0, -1)),
    ((0, 0, -1), (0, 2, 0), (-1, 0, 0)),
)


def texture_energy(image: Tensor) -> Tensor:
    """(B, 3, 32H, 32W) in [-1, 1] -> (B, 32, H, W) natural logarithms of energies, from ln(EPS) upwards."""
    kernels = torch.tensor(_DIRECTIONS, dtype=image.dtype, device=image.device)[:, None] / 2
    luma = image.mean(1, keepdim=True)
    octaves = []
    for factor in (1, 2):
        octave = F.avg_pool2d(luma, factor) if factor > 1 else luma
        detail = F.conv2d(F.pad(octave, (1, 1, 1, 1), mode="replicate"), kernels)
        octaves.append((F.avg_pool2d(detail.square(), CELL // factor) + EPS).log())
    return F.pixel_unshuffle(torch.cat(octaves, 1), 2)
