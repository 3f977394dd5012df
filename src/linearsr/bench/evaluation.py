"""One velocity evaluation (NFE) as an upscale runs it: the same strips, the same precision, an image of noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from linearsr.memory import plan_strips
from linearsr.models.autoencoder import LR_STRIDE
from linearsr.models.sweep import velocity_in_strips
from linearsr.models.transformer import LinearTransformer


@dataclass(frozen=True)
class Evaluation:
    """A transformer and its inputs: z_t (1, C, n, n), t (1,) and the LR image (1, 3, 8n, 8n)."""

    transformer: LinearTransformer
    z_t: Tensor
    t: Tensor
    lr: Tensor

    @classmethod
    def on_noise(cls, transformer: LinearTransformer, cells: int) -> Evaluation:
        """Make inputs of ``cells`` x ``cells`` tokens where the transformer is, in its precision."""
        weight, side = transformer.patch_in.weight, LR_STRIDE * cells
        z_t = torch.randn(1, transformer.config.latent_channels, cells, cells, device=weight.device, dtype=weight.dtype)
        lr = torch.rand(1, 3, side, side, device=weight.device, dtype=weight.dtype)
        return cls(transformer, z_t, z_t.new_full((1,), 0.5), lr.contiguous(memory_format=torch.channels_last))

    def whole(self) -> Tensor:
        """All tokens at once."""
        v: Tensor = self.transformer(self.z_t, self.t, self.lr)
        return v

    def in_strips(self) -> Tensor:
        """As many tokens at a time as an upscale of this size takes; the result is the same."""
        plan = plan_strips(self.lr.shape[3], self.lr.shape[2], None, like=self.lr)
        return velocity_in_strips(
            self.transformer,
            self.z_t,
            self.transformer.condition(self.t),
            lambda top, bottom: self.lr[:, :, top:bottom],
            rows=plan.transformer_rows,
        )
