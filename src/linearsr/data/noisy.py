"""LR pictures with noise and compression, and the same without: what the denoiser learns from."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from linearsr.data.draws import derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.noise_mixes import without_noise
from linearsr.data.presets import DegradationMix
from linearsr.data.sampling import SCALE, PairSource, Sample, own_slots, spoiled_as_nan


class NoisyPairs:
    """HR crops of another source, reduced to LR and degraded anew for every step, with and without noise.

    Both versions are blurred and resized alike, so that whatever differs is noise.
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
        hr = spoiled_as_nan(hr) / 2 + 0.5
        photos = F.interpolate(hr, scale_factor=1 / SCALE, mode="bicubic", antialias=True).clamp(0, 1)
        seeds = [derive_seed(Sample.at(seed, step, slot).seed, "noise") for slot in own_slots(size, rank, world)]
        noisy, clean = (degrade_mixed(photos, mix, seeds) for mix in (self._mix, self._clean_mix))
        return noisy * 2 - 1, clean * 2 - 1
