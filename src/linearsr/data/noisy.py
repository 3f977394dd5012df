"""LR pictures with noise and compression, and the same without: what the denoiser learns from."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.draws import Draws, derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.noise_mixes import without_noise
from linearsr.data.presets import DegradationMix
from linearsr.data.sampling import SCALE, PairSource, Sample, own_samples, spoiled_as_nan

REDUCTIONS = (1.25, float(SCALE))
"""How much photos are reduced: LR images are as dense as photos at a fourth of their size, or hold less."""


class NoisyPairs:
    """HR crops of another source, reduced to LR and degraded anew for every step, with and without noise.

    Both versions are blurred and resized alike, so that whatever differs is noise. Of a photo that is reduced by less
    than 4, a part is taken.
    """

    def __init__(self, source: PairSource, mix: DegradationMix) -> None:
        self._source = source
        self._mix = mix
        self._clean_mix = [(without_noise(preset), share) for preset, share in self._mix]

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return this rank's share of a step as (noisy, clean), both (size / world, 3, lr_side, lr_side) in [-1, 1]."""
        _, hr = self._source.batch(step, seed=seed, size=size, lr_side=lr_side, rank=rank, world=world)
        samples = own_samples(step, seed=seed, size=size, rank=rank, world=world)
        photos = _reduced(spoiled_as_nan(hr) / 2 + 0.5, samples, lr_side)
        seeds = [derive_seed(sample.seed, "noise") for sample in samples]
        noisy, clean = (degrade_mixed(photos, mix, seeds) for mix in (self._mix, self._clean_mix))
        return noisy * 2 - 1, clean * 2 - 1


def _reduced(hr: Tensor, samples: list[Sample], side: int) -> Tensor:
    """Reduce a part of each picture to ``side`` pixels: (B, 3, 4 side, 4 side) -> (B, 3, side, side) in [0, 1]."""
    draws = Draws([derive_seed(sample.seed, "reduction") for sample in samples])
    low, high = REDUCTIONS
    factors = draws.uniform((math.log(low), math.log(high))).exp()
    tops, lefts = draws.uniform((0, 1)), draws.uniform((0, 1))
    parts = []
    for image, factor, top, left in zip(hr, factors.tolist(), tops.tolist(), lefts.tolist(), strict=True):
        taken = round(side * factor)
        y, x = (round(place * (SCALE * side - taken)) for place in (top, left))
        part = image[None, :, y : y + taken, x : x + taken]
        parts.append(F.interpolate(part, (side, side), mode="bicubic", antialias=True))
    return torch.cat(parts).clamp(0, 1)
