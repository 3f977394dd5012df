"""What the transformer is told besides the noisy latent: the timestep, the LR image and guidance tokens."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.rows import Chain, RowStream, Streamable, row_stream

FREQUENCIES = 256
"""Sinusoidal features of a timestep."""


class Condition(NamedTuple):
    """The timestep (B, D), its modulations (B, 6, D), guidance tokens (B, L, D) and which of them count (B, L)."""

    time: Tensor
    time_B6D: Tensor
    tokens: Tensor
    mask_BL: Tensor | None


class TimestepEmbedding(nn.Module):
    """Sinusoids of t and a two-layer MLP. (B,) in [0, 1] -> (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        embedding: Tensor = self.mlp(sinusoids(t).to(next(self.mlp.parameters()).dtype))
        return embedding


def sinusoids(t: Tensor) -> Tensor:
    """Cosines and sines of 1000 t at geometrically spaced frequencies: (B,) -> (B, 256) float32."""
    half = FREQUENCIES // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angles = 1000 * t.float()[:, None] * rates
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class LREncoder(Streamable):
    """E_conv: strided convolutions with SiLU from the native LR to the latent grid. (B, 3, 8h, 8w) -> (B, C, h, w).

    LinearSR conditions by concatenation, z'_t = concat(z_t, E_conv(x_lr)); there is no second network beside the first.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (3, channels // 2, channels, channels)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(widths))

    def forward(self, lr: Tensor) -> Tensor:
        x = lr
        for conv in self.convs:
            x = F.silu(conv(x))
        return x

    def stream(self) -> RowStream:
        return Chain(*(part for conv in self.convs for part in (row_stream(conv), row_stream(nn.SiLU()))))


def drawn_parameter(*shape: int) -> nn.Parameter:
    """Return a parameter of normal values with variance 1/(last side)."""
    values = torch.empty(shape)
    # Models that are about to be loaded are built on the meta device: to draw there would import all of sympy, 150 MB.
    return nn.Parameter(values if values.is_meta else values.normal_().div_(shape[-1] ** 0.5))


class GuidanceEmbedding(nn.Module):
    """Projects text-encoder states to the transformer's width; without tags, one learned null token stands in.

    (B, L, G) or None -> (B, L, D) or (B, 1, D). ``normed`` is SANA's form: GELU, and an RMS norm of what comes out.
    """

    def __init__(self, guidance_width: int, width: int, *, normed: bool = False) -> None:
        super().__init__()
        self.null_token = drawn_parameter(1, 1, guidance_width)
        activation = nn.GELU(approximate="tanh") if normed else nn.SiLU()
        self.mlp = nn.Sequential(nn.Linear(guidance_width, width), activation, nn.Linear(width, width))
        self.norm = nn.RMSNorm(width, eps=1e-5) if normed else nn.Identity()

    def fill(self, tokens: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Put the null token first where the mask (B, L) leaves no token (B, L, G) at all."""
        empty_B = ~mask_BL.any(1)
        first = torch.arange(mask_BL.shape[1], device=mask_BL.device) == 0
        places_BL = empty_B[:, None] & first
        return torch.where(places_BL[:, :, None], self.null_token.to(tokens), tokens), mask_BL | places_BL

    def forward(self, tokens: Tensor | None, batch: int) -> Tensor:
        states = self.null_token.expand(batch, -1, -1) if tokens is None else tokens
        embedded: Tensor = self.norm(self.mlp(states))
        return embedded
