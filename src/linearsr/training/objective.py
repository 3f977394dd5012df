"""Losses of the stages.

decoder:      L1 + a LPIPS + b texture energy + c grid + d DISTS + e adversarial (hinge)
transformer:  E || v_theta(z_t, t, x_lr) - (z_1 - z_0) ||^2
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from linearsr.models.discriminator import PatchDiscriminator
from linearsr.models.perceptual import DISTS, LPIPS
from linearsr.models.texture import texture_energy
from linearsr.training.learner import Learner


@dataclass(frozen=True, kw_only=True)
class ImageLossWeights:
    """Weights of the decoder's loss. DISTS takes the first ``dists_samples`` images of a batch: VGG is dear."""

    l1: float = 1.0
    lpips: float = 0.0
    texture: float = 0.0
    grid: float = 0.0
    dists: float = 0.0
    dists_samples: int = 2
    adversarial: float = 0.0


class ImageLoss:
    """The decoder's loss, with a discriminator that learns alongside when the adversarial weight is positive."""

    def __init__(self, weights: ImageLossWeights, perceptual: Path) -> None:
        self.weights = weights
        self.lpips = LPIPS(load_file(perceptual / "lpips_alexnet.safetensors"))
        vgg, heads = load_file(perceptual / "lpips_vgg16.safetensors"), load_file(perceptual / "dists.safetensors")
        self.dists = DISTS(vgg, heads)
        self.discriminator = PatchDiscriminator()
        optimizer = torch.optim.AdamW(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.99))
        self._critic = Learner(self.discriminator, optimizer)

    @property
    def learners(self) -> dict[str, Learner]:
        """What learns alongside the decoder and belongs into a checkpoint."""
        return {"discriminator": self._critic} if self.weights.adversarial else {}

    def __call__(self, output: Tensor, target: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted loss and its parts. Images are (B, 3, H, W) in [-1, 1]."""
        weights = self.weights
        x, y = output / 2 + 0.5, target / 2 + 0.5
        parts = {"l1": F.l1_loss(x, y)}
        if weights.lpips:
            parts["lpips"] = self.lpips(x, y).mean()
        if weights.texture:
            parts["texture"] = F.l1_loss(texture_energy(output), texture_energy(target))
        if weights.grid:
            parts["grid"] = F.l1_loss(grid_pattern(x), grid_pattern(y))
        if weights.dists:
            n = weights.dists_samples
            parts["dists"] = self.dists(x[:n], y[:n]).mean()
        if weights.adversarial:
            self._train_discriminator(output.detach(), target)
            parts["adversarial"] = -self.discriminator(output).mean()
        total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
        return total, {name: float(part.detach()) for name, part in parts.items()}

    def _train_discriminator(self, fake: Tensor, real: Tensor) -> None:
        loss = F.relu(1 + self.discriminator(fake)).mean() + F.relu(1 - self.discriminator(real)).mean()
        self._critic.step(loss)


def grid_pattern(image: Tensor, period: int = 4, window: int = 32) -> Tensor:
    """What repeats with ``period`` in each ``window``: (B, C, H, W) -> (B, C, H/window, period, W/window, period).

    The mean over the repeats, less the window's own mean. Photos have next to none of it; decoders that shuffle pixels
    do, and LPIPS does not mind: its first layer has a stride of 4, so a pattern of that period looks constant to it.
    """
    repeats = window // period
    *lead, height, width = image.shape
    cells = image.reshape(*lead, height // window, repeats, period, width // window, repeats, period)
    pattern = cells.mean((-5, -2))
    return pattern - pattern.mean((-3, -1), keepdim=True)


def velocity_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the velocity (B, C, H, W)."""
    return F.mse_loss(predicted, target)
