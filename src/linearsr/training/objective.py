"""Losses of the stages.

decoder:      L1 + a LPIPS + b texture energy + c grid + d DISTS + e adversarial (hinge)
transformer:  E || v_theta(z_t, t, x_lr) - (z_1 - z_0) ||^2
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from linearsr.errors import DataError
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

    def __init__(self, weights: ImageLossWeights, perceptual: Path, device: str = "cpu") -> None:
        self.weights = weights
        self.lpips = load_lpips(perceptual, device)
        self.dists = _load_dists(perceptual, device) if weights.dists else None
        self.discriminator = PatchDiscriminator().to(device)
        optimizer = torch.optim.AdamW(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.99))
        self._critic = Learner(self.discriminator, optimizer)

    @property
    def learners(self) -> dict[str, Learner]:
        """What learns alongside the decoder and belongs into a checkpoint."""
        return {"discriminator": self._critic} if self.weights.adversarial else {}

    def __call__(self, output: Tensor, target: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted loss and its parts. Images are (B, 3, H, W) in [-1, 1].

        The discriminator's own loss goes into its gradient; whoever takes the step takes that one too.
        """
        kind = output.device.type
        around = torch.autocast(kind, dtype=torch.bfloat16, enabled=torch.is_autocast_enabled(kind))
        # Of what autocast would lower, only the trunks are: they take most of the time.
        with torch.autocast(kind, enabled=False):
            return self._weigh(output.float(), target, around)

    def _weigh(self, output: Tensor, target: Tensor, trunks: torch.autocast) -> tuple[Tensor, dict[str, float]]:
        weights = self.weights
        x, y = output / 2 + 0.5, target / 2 + 0.5
        parts = {"l1": F.l1_loss(x, y)}
        if weights.lpips:
            with trunks:
                parts["lpips"] = self.lpips(x, y).mean()
        if weights.texture:
            parts["texture"] = F.l1_loss(texture_energy(output), texture_energy(target))
        if weights.grid:
            parts["grid"] = F.l1_loss(grid_pattern(x), grid_pattern(y))
        if self.dists is not None:
            n = weights.dists_samples
            with trunks:
                parts["dists"] = self.dists(x[:n], y[:n]).mean()
        if weights.adversarial:
            self._teach_discriminator(output.detach(), target)
            parts["adversarial"] = self._adversarial(output)
        total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
        return total, {name: float(part.detach()) for name, part in parts.items()}

    def _teach_discriminator(self, fake: Tensor, real: Tensor) -> None:
        loss = F.relu(1 + self.discriminator(fake)).mean() + F.relu(1 - self.discriminator(real)).mean()
        loss.backward()  # type: ignore[no-untyped-call]

    def _adversarial(self, output: Tensor) -> Tensor:
        # The decoder's loss must not reach the discriminator's gradient, which its own loss has just filled.
        self.discriminator.requires_grad_(False)
        score: Tensor = -self.discriminator(output).mean()
        self.discriminator.requires_grad_(True)
        return score


def load_lpips(perceptual: Path, device: str) -> LPIPS:
    """Return LPIPS with its AlexNet trunk from the folder that ``recipes/perceptual_weights.py`` wrote."""
    return LPIPS(_read_trunk(perceptual / "lpips_alexnet.safetensors")).to(device)


def _load_dists(perceptual: Path, device: str) -> DISTS:
    vgg, heads = (_read_trunk(perceptual / f"{name}.safetensors") for name in ("lpips_vgg16", "dists"))
    return DISTS(vgg, heads).to(device)


def _read_trunk(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        remedy = "name the folder that recipes/perceptual_weights.py wrote"
        raise DataError(f"cannot read {path}: {error}", remedy=remedy) from error


def grid_pattern(image: Tensor, period: int = 8, window: int = 32) -> Tensor:
    """What repeats with ``period`` in each ``window``: (B, C, H, W) -> (B, C, H/window, period, W/window, period).

    The mean over the repeats, less the window's own mean; what repeats with a half or a quarter of the period is in it.
    Photos have next to none of it; decoders that shuffle pixels do, and LPIPS does not mind: its first layer has a
    stride of 4, so a pattern of that period looks constant to it.
    """
    repeats = window // period
    *lead, height, width = image.shape
    cells = image.reshape(*lead, height // window, repeats, period, width // window, repeats, period)
    pattern = cells.mean((-5, -2))
    return pattern - pattern.mean((-3, -1), keepdim=True)


def velocity_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the velocity (B, C, H, W)."""
    return F.mse_loss(predicted, target)
