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

from linearsr.models import lazy
from linearsr.models.attention import QK_NORM_EPS, CrossAttention, LinearAttention
from linearsr.models.conditioning import Condition, drawn_parameter
from linearsr.models.dense import Dense

Grid = tuple[int, int]
"""Height and width of the token grid."""


class MixFFN(nn.Module):
    """Gated feed-forward with a 3x3 depth-wise convolution (GLUMBConv). (B, N, D) -> (B, N, D).

    The depth-wise convolution is what tells tokens where their neighbours are: there is no positional embedding.
    """

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        hidden = int(ratio * width)
        self.expand = Dense(width, 2 * hidden)
        self.depthwise = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden)
        self.project = Dense(hidden, width, bias=False)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        return self.contract(self.depthwise(self.widen(x, grid)))

    def widen(self, x: Tensor, grid: Grid, out: Tensor | None = None) -> Tensor:
        """Tokens (B, N, D) -> input of the depth-wise convolution, (B, C, h, w), written to ``out`` if given."""
        # Seen as an image, (B, N, C) tokens are already in channels_last order: no copy on either side.
        wide: Tensor = self.expand(x).view(len(x), *grid, -1).permute(0, 3, 1, 2)
        if out is None:
            return F.silu(wide)
        lazy.silu(wide).write(out)
        return out

    def contract(self, hidden: Tensor) -> Tensor:
        """Output of the depth-wise convolution, (B, C, h, w) -> tokens (B, N, D)."""
        value, gate = hidden.permute(0, 2, 3, 1).flatten(1, 2).chunk(2, dim=-1)
        out: Tensor = self.project(value * F.silu(gate))
        return out


class LinearBlock(nn.Module):
    """One transformer block: tokens (B, N, D) of a grid, and what they are told -> (B, N, D).

    ``cross_heads`` is the number of heads of cross-attention, by default as many as of self-attention.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        ratio: float,
        *,
        cross_heads: int | None = None,
        qk_norm_eps: float | None = QK_NORM_EPS,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attention = LinearAttention(width, heads, qk_norm_eps)
        self.cross_attention = CrossAttention(width, cross_heads or heads, qk_norm_eps)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.ffn = MixFFN(width, ratio)
        self.modulation = drawn_parameter(6, width)

    def forward(self, x: Tensor, grid: Grid, condition: Condition) -> Tensor:
        x = self.attend(x, condition)
        shift, scale, gate = self.modulations(condition)[3:]
        return torch.addcmul(x, gate, self.ffn(modulate(self.norm2(x), shift, scale), grid))

    def attend(self, x: Tensor, condition: Condition, summary: Tensor | None = None) -> Tensor:
        """The block up to its feed-forward; with a ``summary``, attention is to what that was made of, not to ``x``."""
        shift, scale, gate = self.modulations(condition)[:3]
        normed = modulate(self.norm1(x), shift, scale)
        attended = self.attention.read(normed, self.attention.summarize(normed) if summary is None else summary)
        x = torch.addcmul(x, gate, attended)
        update: Tensor = self.cross_attention(x, condition.tokens, condition.mask_BL)
        return x + update

    def summarize(self, x: Tensor, condition: Condition) -> Tensor:
        """What :meth:`attend` needs to know of tokens (B, N, D) held elsewhere; parts of an image add up."""
        shift, scale, _ = self.modulations(condition)[:3]
        return self.attention.summarize(modulate(self.norm1(x), shift, scale))

    def modulations(self, condition: Condition) -> tuple[Tensor, ...]:
        """Return (b_1, s_1, g_1, b_2, s_2, g_2), each (B, 1, D)."""
        return (self.modulation + condition.time_B6D).unsqueeze(2).unbind(1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return ``x (1 + scale) + shift``."""
    return torch.addcmul(shift, x, 1 + scale)
