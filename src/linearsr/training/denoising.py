"""The stage ``denoise``: the denoiser learns to take noise and compression out of LR pictures.

    | D(noisy, s') - clean | + a | S(noisy) - log s |     s: root mean square of noisy - clean, s' near s

S is the denoiser's meter, which learns beside it to tell s; s' is off by about as much as the meter will be.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.loader import PairPool
from linearsr.data.noisy import NoisyPairs
from linearsr.data.sampling import PairSource, spoiled_as_nan
from linearsr.lr_image import denoised_batch
from linearsr.models.denoiser import LEVELS_PER_UNIT, Denoiser
from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.draws import Draws
from linearsr.training.learner import Learner
from linearsr.training.samples import comparison_sheet
from linearsr.training.stages import step_crops
from linearsr.training.validation import Measurement

METER_WEIGHT = 0.02
SPREAD = 0.15
"""Deviation of log s' from log s."""
LEAST = 1.0
"""8-bit levels that count for all weaker noise: the logarithm of none has no bound, and less is not to be seen."""


class DenoiseStage:
    """The denoiser and its meter, on pairs that are made anew for every step."""

    def __init__(self, config: StageConfig, denoiser: Denoiser, pairs: NoisyPairs) -> None:
        self.config, self.module, self._pairs = config, denoiser.train(), pairs
        self.auxiliary: dict[str, Learner] = {}

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        noisy, clean = step_crops(self._pairs, self.config, step, part)
        strength = strength_of(noisy, clean)
        off = Draws(self.config, step, part).noise(len(noisy), (1,))[:, 0]
        output = self.module(noisy, strength * (SPREAD * off).exp())
        l1 = F.l1_loss(output.float(), clean) / 2
        with torch.autocast(noisy.device.type, enabled=False):  # bfloat16 would round faint noise away
            meter = F.l1_loss(self.module.meter(noisy), strength.log())
        return l1 + METER_WEIGHT * meter, {"l1": float(l1.detach()), "meter": float(meter.detach())}


def strength_of(noisy: Tensor, clean: Tensor) -> Tensor:
    """Root mean square of what noise has changed, in 8-bit levels: two (B, 3, H, W) -> (B,)."""
    change = (noisy - clean).square().mean((1, 2, 3)).sqrt() * LEVELS_PER_UNIT
    return change.clamp(min=LEAST)


class DenoisedPairs:
    """Pairs of another source with LR images less their noise, as decoders meet them in use."""

    def __init__(self, source: PairSource, denoiser: Denoiser) -> None:
        self._source, self._denoiser = source, denoiser.eval()

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return what the source returns, denoised."""
        lr, hr = self._source.batch(step, seed=seed, size=size, lr_side=lr_side, rank=rank, world=world)
        lr = spoiled_as_nan(lr.to(self._denoiser.strength_in.weight.device))
        return denoised_batch(lr, self._denoiser), hr


@dataclass(frozen=True)
class DenoisingSet:
    """Fixed pairs of LR pictures in [-1, 1], with and without noise: (B, 3, h, w) each."""

    noisy: Tensor
    clean: Tensor

    @classmethod
    def from_pool(cls, pool: PairPool, *, size: int, lr_side: int, device: str = "cpu") -> DenoisingSet:
        """Draw ``size`` crops from a pool of photos that are kept out of training."""
        noisy, clean = (part.to(device) for part in NoisyPairs(pool).batch(0, seed=0, size=size, lr_side=lr_side))
        return cls(noisy, clean)

    @torch.no_grad()
    def measure(self, denoiser: Denoiser) -> Measurement:
        """PSNR of the denoised pictures, with the meter's strength, and by what factor the meter errs."""
        log_strength = denoiser.meter(self.noisy)
        output = denoiser(self.noisy, log_strength.exp()).clamp(-1, 1)
        errors = ((output - self.clean) / 2).square().mean((1, 2, 3))
        off = (log_strength - strength_of(self.noisy, self.clean).log()).abs().mean().exp()
        shown = (part / 2 + 0.5 for part in (self.noisy, output, self.clean))
        return Measurement(
            {"psnr": float((-10 * errors.log10()).mean()), "meter": float(off)}, comparison_sheet(*shown)
        )
