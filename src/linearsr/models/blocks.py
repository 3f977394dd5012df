"""The transformer block: linear attention, cross-attention and a convolutional feed-forward, modulated by the timestep.

    x <- x + g_1 * LinearAttention(LN(x) (1 + s_1) + b_1)
    x <- x + CrossAttention(x, guidance)
    x <- x + g_2 * MixFFN(LN(x) (1 + s_2) + b_2)              (b_1, s_1, g_1, b_2, s_2, g_2) = table + time

AdaLN-single: the time vector comes from one MLP shared by all blocks, each block adds its own learned 6 x D table.
Legend: B batch, N = h w tokens, D width. Reference: Xie et al., SANA, 2024 (arXiv:2410.10629).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.attention import CrossAttention, LinearAttention

Grid = tuple[int, int]
"""Height and width of the token grid."""


class MixFFN(nn.Module):
    """Gated feed-forward with a 3x3 depth-wise convolution (GLUMBConv). (B, N, D) -> (B, N, D).

    The depth-wise convolution is what tells tokens where their neighbours are: there is no positional embedding.
    """

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        hidden = int(ratio * width)
        self.expand = nn.Linear(width, 2 * hidden)
        self.depthwise = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden)
        self.project = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        # Seen as an image, (B, N, C) tokens are already in channels_last order: no copy on either side.
        hidden = F.silu(self.expand(x)).view(len(x), *grid, -1).permute(0, 3, 1, 2)
        value, gate = self.depthwise(hidden).permute(0, 2, 3, 1).flatten(1, 2).chunk(2, dim=-1)
        out: Tensor = self.project(value * F.silu(gate))
        return out


class LinearBlock(nn.Module):
    """One transformer block. (B, N, D) tokens, (B, L, D) guidance, (B, 6, D) time -> (B, N, D)."""

    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attention = LinearAttention(width, heads)
        self.cross_attention = CrossAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.ffn = MixFFN(width, ratio)
        self.modulation = nn.Parameter(torch.randn(6, width) / width**0.5)

    def forward(self, x: Tensor, grid: Grid, guidance: Tensor, mask_BL: Tensor | None, time_B6D: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation + time_B6D).unsqueeze(2).unbind(1)
        x = x + gate1 * self.attention(modulate(self.norm1(x), shift1, scale1))
        x = x + self.cross_attention(x, guidance, mask_BL)
        update: Tensor = gate2 * self.ffn(modulate(self.norm2(x), shift2, scale2), grid)
        return x + update


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return ``x (1 + scale) + shift``."""
    return x * (1 + scale) + shift
