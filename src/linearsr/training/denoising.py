"""The stage ``denoise``: taking noise and compression out of LR pictures, and a first look at their strength.

    denoise    | D(noisy, s') - clean |     s: root mean square of noisy - clean; s' is near it
    meter      | M(noisy) - log s |

M is the denoiser's meter, and s' off by about as much as what tells it in use. For the second look see judging.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.draws import derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.noisy import NoisyPairs
from linearsr.data.presets import DegradationMix
from linearsr.data.sampling import ChangedPairs, PairSource, Sample, spoiled_as_nan
from linearsr.models.denoiser import LEVELS_PER_UNIT, Denoiser, NoiseMeter
from linearsr.models.judging import denoised_batch, judged_batch
from linearsr.models.noise_cells import noise_cells
from linearsr.models.noise_judge import NoiseJudge
from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.draws import Draws
from linearsr.training.learner import Learner
from linearsr.training.samples import comparison_sheet
from linearsr.training.stages import step_crops
from linearsr.training.validation import Measurement

SPREAD = 0.15
"""Deviation of log s' from log s."""
LEAST = 1.0
"""8-bit levels that count for all weaker noise: the logarithm of none has no bound, and less is not to be seen."""
NOISY_SHARE = 0.3
"""Of a picture's noise: where less is taken out, the picture is one for the decoder of photos as they are."""


class DenoiseStage:
    """The denoiser without meter and judge, on pairs that are made anew for every step."""

    def __init__(self, config: StageConfig, denoiser: Denoiser, pairs: NoisyPairs) -> None:
        self.config, self.module, self._pairs = config, denoiser.train(), pairs
        self.auxiliary: dict[str, Learner] = {}
        denoiser.meter.requires_grad_(False)
        denoiser.judge.requires_grad_(False)

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        noisy, clean = step_crops(self._pairs, self.config, step, part)
        output = self.module(noisy, strength_told(noisy, clean, Draws(self.config, step, part)))
        loss = F.l1_loss(output.float(), clean) / 2
        return loss, {"l1": float(loss.detach())}


class MeterStage:
    """The meter alone."""

    def __init__(self, config: StageConfig, meter: NoiseMeter, pairs: NoisyPairs) -> None:
        self.config, self.module, self._pairs = config, meter.train(), pairs
        self.auxiliary: dict[str, Learner] = {}
        meter.requires_grad_()

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        noisy, clean = step_crops(self._pairs, self.config, step, part)
        with torch.autocast(noisy.device.type, enabled=False):  # bfloat16 would round faint noise away
            loss = F.l1_loss(self.module(noisy), strength_of(noisy, clean).log())
        return loss, {"log_strength": float(loss.detach())}


def strength_of(noisy: Tensor, clean: Tensor) -> Tensor:
    """Root mean square of what noise has changed, in 8-bit levels: two (B, 3, H, W) -> (B,)."""
    change = (noisy - clean).square().mean((1, 2, 3)).sqrt() * LEVELS_PER_UNIT
    return change.clamp(min=LEAST)


def strength_told(noisy: Tensor, clean: Tensor, draws: Draws) -> Tensor:
    """What the denoiser is told in training: about how strong the noise is, as in use."""
    return strength_of(noisy, clean) * (SPREAD * draws.noise(len(noisy), (1,))[:, 0]).exp()


class DenoisedPairs(ChangedPairs):
    """Pairs of another source with LR images less their noise, as decoders meet them in use."""

    def __init__(self, source: PairSource, denoiser: Denoiser) -> None:
        super().__init__(source)
        self._denoiser = denoiser.eval()

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        lr = spoiled_as_nan(lr.to(self._denoiser.strength_in.weight.device))
        return denoised_batch(lr, self._denoiser), hr


class UndisturbedPairs(DenoisedPairs):
    """The same without any that a denoiser would take much from: those are degraded anew, by ``mix``, and hardly noisy.

    What it leaves as they are in use, faint noise and all, a decoder is to cope with.
    """

    def __init__(self, source: PairSource, denoiser: Denoiser, mix: DegradationMix) -> None:
        super().__init__(source, denoiser)
        self._mix = mix

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        lr = spoiled_as_nan(lr.to(self._denoiser.strength_in.weight.device)).clone()
        _, share = judged_batch(lr, self._denoiser)
        noisy = torch.nonzero(share >= NOISY_SHARE)[:, 0].tolist()
        if noisy:
            seeds = [derive_seed(samples[index].seed, "undisturbed") for index in noisy]
            lr[noisy] = degrade_mixed(hr[noisy].to(lr) / 2 + 0.5, self._mix, seeds) * 2 - 1
        return super().changed(lr, hr, samples)


@dataclass(frozen=True)
class DenoisingSet:
    """Fixed pairs of LR pictures in [-1, 1], with and without noise: (B, 3, h, w) each."""

    noisy: Tensor
    clean: Tensor

    @classmethod
    def from_pairs(cls, pairs: NoisyPairs, *, size: int, lr_side: int, device: str = "cpu") -> DenoisingSet:
        """Draw ``size`` crops of photos that are kept out of training."""
        noisy, clean = (part.to(device) for part in pairs.batch(0, seed=0, size=size, lr_side=lr_side))
        return cls(noisy, clean)

    @torch.no_grad()
    def denoised(self, denoiser: Denoiser) -> Tensor:
        """The pictures less their noise, each told its true strength."""
        output: Tensor = denoiser(self.noisy, strength_of(self.noisy, self.clean)).clamp(-1, 1)
        return output

    @torch.no_grad()
    def measure(self, denoiser: Denoiser) -> Measurement:
        """PSNR of the denoised pictures."""
        output = self.denoised(denoiser)
        errors = ((output - self.clean) / 2).square().mean((1, 2, 3))
        shown = (part / 2 + 0.5 for part in (self.noisy, output, self.clean))
        return Measurement({"psnr": float((-10 * errors.log10()).mean())}, comparison_sheet(*shown))

    @torch.no_grad()
    def measure_meter(self, meter: NoiseMeter) -> Measurement:
        """The factor by which the meter errs, as the mean goes; 1 is none."""
        return self._factor(meter(self.noisy))

    @torch.no_grad()
    def measure_judge(self, judge: NoiseJudge, denoiser: Denoiser) -> Measurement:
        """The same of a judge of what the denoiser does."""
        return self._factor(judge(noise_cells(self.noisy, denoiser)))

    def _factor(self, estimates: Tensor) -> Measurement:
        errors = estimates - strength_of(self.noisy, self.clean).log()
        return Measurement({"factor": float(errors.abs().mean().exp())})
