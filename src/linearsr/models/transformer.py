"""The diffusion transformer: predicts the velocity of a noisy latent, given the LR image and guidance tokens.

    v = Head(Block_depth(... Block_1(Linear(concat(z_t, E_conv(x_lr))), c), ...)),   c = (time, guidance)

One token per latent cell (patch size 1), so 1024 x 1024 pixels are 32 x 32 = 1024 tokens.
Legend: B batch, C latent channels, H x W latent grid, D width, L guidance tokens, G their width.
Reference: LinearSR, Li et al., 2025 (arXiv:2510.08771); backbone after SANA (arXiv:2410.10629).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from linearsr.models.attention import QK_NORM_EPS
from linearsr.models.blocks import LinearBlock, modulate
from linearsr.models.conditioning import Condition, GuidanceEmbedding, LREncoder, TimestepEmbedding, drawn_parameter
from linearsr.models.configs import check_positive
from linearsr.models.dense import Dense

GuidanceKind = Literal["none", "caption", "features", "tags"]
"""What guidance tokens are made of; none is the learned null token alone."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Geometry of one transformer; the defaults are the tiny one, :mod:`linearsr.models.sana` has the large ones.

    ``cross_heads`` are the heads of cross-attention, None as many as ``heads``. ``qk_norm_eps`` is the epsilon of the
    RMS norm of queries and keys, None no norm. ``guidance`` is what it has been trained to be guided by;
    ``guidance_norm`` is SANA's guidance embedding, with a norm at its end.
    """

    latent_channels: int = 32
    lr_channels: int = 96
    width: int = 256
    depth: int = 8
    heads: int = 8
    mlp_ratio: float = 2.5
    guidance_width: int = 384
    cross_heads: int | None = None
    qk_norm_eps: float | None = QK_NORM_EPS
    guidance_norm: bool = False
    guidance: GuidanceKind = "none"

    def __post_init__(self) -> None:
        names = ("latent_channels", "lr_channels", "width", "depth", "heads", "mlp_ratio", "guidance_width")
        check_positive(self, *names)
        if self.guidance not in get_args(GuidanceKind):
            raise ValueError(f"guidance must be one of {', '.join(get_args(GuidanceKind))}, not {self.guidance!r}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        if self.cross_heads is not None and (self.cross_heads < 1 or self.width % self.cross_heads):
            raise ValueError(f"width {self.width} must be a multiple of cross_heads {self.cross_heads}")
        if self.qk_norm_eps is not None and self.qk_norm_eps <= 0:
            raise ValueError(f"qk_norm_eps must be positive, or None for no norm, not {self.qk_norm_eps}")


class LinearTransformer(nn.Module):
    """Velocity predictor with linear self-attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.lr_encoder = LREncoder(config.lr_channels)
        self.patch_in = Dense(config.latent_channels + config.lr_channels, width)
        self.time = TimestepEmbedding(width)
        self.time_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.guidance = GuidanceEmbedding(config.guidance_width, width, normed=config.guidance_norm)
        self.blocks = nn.ModuleList(
            LinearBlock(
                width,
                config.heads,
                config.mlp_ratio,
                cross_heads=config.cross_heads,
                qk_norm_eps=config.qk_norm_eps,
            )
            for _ in range(config.depth)
        )
        self.norm_out = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation_out = drawn_parameter(2, width)
        self.patch_out = Dense(width, config.latent_channels)
        # The velocity starts at zero and the block tables at their own scale: training begins from the identity path.
        nn.init.zeros_(self.patch_out.weight)

    def forward(
        self, z_t: Tensor, t: Tensor, lr: Tensor, guidance: Tensor | None = None, mask_BL: Tensor | None = None
    ) -> Tensor:
        """Return the velocity (B, C, H, W).

        Args:
            z_t: (B, C, H, W) noisy latent.
            t: (B,) timesteps in [0, 1]; 1 is pure noise.
            lr: (B, 3, 8H, 8W) in [-1, 1].
            guidance: (B, L, G) text-encoder states, or None for the learned null token.
            mask_BL: (B, L) bool, True where a guidance token counts.
        """
        return self.velocity(z_t, self.condition(t, guidance, mask_BL), lr)

    def velocity(self, z_t: Tensor, condition: Condition, lr: Tensor) -> Tensor:
        """Return the velocity (B, C, H, W) of a noisy latent (B, C, H, W) for an LR image (B, 3, 8H, 8W)."""
        x = self.embed(z_t, self.lr_encoder(lr.to(z_t.dtype)))
        for block in self.blocks:
            x = block(x, (z_t.shape[-2], z_t.shape[-1]), condition)
        return self.head(x, condition).transpose(1, 2).reshape(z_t.shape)

    def condition(self, t: Tensor, guidance: Tensor | None = None, mask_BL: Tensor | None = None) -> Condition:
        """Embed timesteps (B,) and guidance (B, L, G): what every block is told."""
        time = self.time(t)
        time_B6D = self.time_modulation(time).unflatten(-1, (6, -1))
        if guidance is not None and mask_BL is not None:
            guidance, mask_BL = self.guidance.fill(guidance, mask_BL)
        return Condition(time, time_B6D, self.guidance(guidance, len(t)), mask_BL)

    def embed(self, z_t: Tensor, lr_features: Tensor) -> Tensor:
        """Noisy latent (B, C, H, W) and LR features of the same grid -> tokens (B, N, D)."""
        x: Tensor = self.patch_in(torch.cat((z_t, lr_features), dim=1).flatten(2).transpose(1, 2))
        return x

    def head(self, x: Tensor, condition: Condition) -> Tensor:
        """Tokens (B, N, D) -> velocities (B, N, C)."""
        shift, scale = (self.modulation_out + condition.time[:, None]).unsqueeze(2).unbind(1)
        v: Tensor = self.patch_out(modulate(self.norm_out(x), shift, scale))
        return v
