"""The second look at a picture's noise: its strength, told by what the denoiser would take out.

    s = exp J(E)        E: energies of lr and of U(lr, s') for s' in ``TOLD``, in cells (noise_cells.py)

Fine texture and noise look alike from one pixel to the next, and the wider the grain the more so. But the denoiser has
learned from both: of noise it takes out what it is told, at all widths and everywhere alike; of texture less.

Legend: B pictures, n cells of each, F features of a cell.
Reference: Deep Sets, Zaheer et al., 2017 (arXiv:1703.06114), for what treats the cells of a picture as a set.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TOLD = 6.0, 20.0
"""Strengths that the denoiser is tried with, in 8-bit levels."""
FEATURES = 2 + 6 * len(TOLD)


class NoiseJudge(nn.Module):
    """Cells of pictures -> logarithms of their noise's strength in 8-bit levels: (B, n, F) -> (B,).

    Each cell is read beside the mean and the spread of all; it gives an estimate and how much that counts.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(FEATURES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.among_all = nn.Sequential(nn.Linear(3 * width, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, cells: Tensor) -> Tensor:
        x = self.each(cells)
        mean = x.mean(1, keepdim=True)
        spread = (x - mean).square().mean(1, keepdim=True).add(1e-6).sqrt()
        estimates, confidence = self.among_all(torch.cat([x, mean.expand_as(x), spread.expand_as(x)], -1)).unbind(-1)
        strength: Tensor = (estimates * confidence.softmax(1)).sum(1)
        return strength
