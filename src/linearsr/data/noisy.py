"""LR pictures with noise and compression, and the same without: what the denoiser learns from."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.draws import Draws, derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.noise_mixes import without_noise
from linearsr.data.presets import DegradationMix, Range
from linearsr.data.sampling import SCALE, ChangedPairs, PairSource, Sample, spoiled_as_nan

REDUCTIONS = (1.25, float(SCALE))
"""How much photos are reduced: LR images are as dense as photos at a fourth of their size, or hold less."""


class NoisyPairs(ChangedPairs):
    """HR crops of another source, reduced to LR and degraded anew for every step: pairs of LR images, noisy and clean.

    Both versions, (B, 3, lr_side, lr_side) in [-1, 1], are blurred and resized alike, so that whatever differs is
    noise. Of a photo that is reduced by less than 4, a part is taken; ``reductions`` are the least and the most.
    """

    def __init__(self, source: PairSource, mix: DegradationMix, *, reductions: Range = REDUCTIONS) -> None:
        super().__init__(source)
        self._mix, self._reductions = mix, reductions
        self._clean_mix = [(without_noise(preset), share) for preset, share in self._mix]

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        photos = _reduced(spoiled_as_nan(hr) / 2 + 0.5, samples, self._reductions)
        seeds = [derive_seed(sample.seed, "noise") for sample in samples]
        noisy, clean = (degrade_mixed(photos, mix, seeds) for mix in (self._mix, self._clean_mix))
        return noisy * 2 - 1, clean * 2 - 1


def _reduced(hr: Tensor, samples: list[Sample], reductions: Range) -> Tensor:
    """Reduce a part of each picture: (B, 3, 4 side, 4 side) -> (B, 3, side, side) in [0, 1]."""
    side = hr.shape[-1] // SCALE
    draws = Draws([derive_seed(sample.seed, "reduction") for sample in samples])
    low, high = reductions
    factors = draws.uniform((math.log(low), math.log(high))).exp()
    tops, lefts = draws.uniform((0, 1)), draws.uniform((0, 1))
    parts = []
    for image, factor, top, left in zip(hr, factors.tolist(), tops.tolist(), lefts.tolist(), strict=True):
        taken = round(side * factor)
        y, x = (round(place * (SCALE * side - taken)) for place in (top, left))
        part = image[None, :, y : y + taken, x : x + taken]
        parts.append(F.interpolate(part, (side, side), mode="bicubic", antialias=True))
    return torch.cat(parts).clamp(0, 1)
