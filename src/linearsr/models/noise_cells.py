"""What the judge of noise reads: energies of a picture and of what the denoiser would change, in cells of 8 x 8 pixels.

    of lr              what each pixel has beyond its neighbours
    of u = U(lr, s')   for each s' of ``TOLD``: all of it, its grey, what each pixel has beyond its neighbours, its
                       means over 2 x 2 and 4 x 4 pixels
    of lr + u          what each pixel has beyond its neighbours

and, the same in every cell, what the meter finds. Legend: B pictures (B, 3, H, W) in [-1, 1], H and W multiples of 8.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.models.denoiser import LEVELS_PER_UNIT, Denoiser
from linearsr.models.noise_judge import TOLD

CELL = 8
"""LR pixels along a side of a cell."""
_WIDER = 2, 4
"""Sides of the squares that changes are averaged over, in LR pixels."""
_FAINTEST = 0.01
"""Added to energies, in squared levels: less cannot be seen."""


@torch.no_grad()
def noise_cells(lr: Tensor, denoiser: Denoiser) -> Tensor:
    """(B, 3, H, W) -> (B, n, F) in the denoiser's precision: logarithms, brought to the scale of 1."""
    kind = denoiser.strength_in.weight.dtype
    told_lr, lr = lr.to(kind), lr.float()
    energies = [_energy(fine(lr))]
    for told in TOLD:
        # The update by itself: in what is left of the picture, low precision would have rounded it away.
        update = denoiser.update(told_lr, told_lr.new_full((len(lr),), told)).float()
        energies += [_energy(update), _energy(update.mean(1, keepdim=True)), _energy(fine(update))]
        energies += [_energy(F.avg_pool2d(update, side), CELL // side) for side in _WIDER]
        energies.append(_energy(fine(lr + update)))
    logarithms = (torch.stack(energies, -1).flatten(1, 2) + _FAINTEST).log()
    metered = denoiser.meter(told_lr).float()[:, None, None].expand(-1, logarithms.shape[1], -1)
    return torch.cat([(logarithms - 2) / 3, metered - 1], -1).to(kind)


def _energy(image: Tensor, cell: int = CELL) -> Tensor:
    """Mean square in each cell, in squared levels: (B, C, H, W) -> (B, H / cell, W / cell)."""
    return F.avg_pool2d(image.square().mean(1, keepdim=True), cell)[:, 0] * LEVELS_PER_UNIT**2


def fine(image: Tensor) -> Tensor:
    """What each pixel has beyond the mean of those around it: (B, C, H, W) -> (B, C, H, W)."""
    return image - F.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
