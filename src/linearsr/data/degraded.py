"""Pairs whose LR images are degraded anew: what another source has made of the photos is in both images, then."""

from __future__ import annotations

from torch import Tensor

from linearsr.data.draws import derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.presets import DegradationMix
from linearsr.data.sampling import ChangedPairs, PairSource, Sample, spoiled_as_nan


class DegradedPairs(ChangedPairs):
    """HR crops of another source, degraded for every step with presets drawn by the shares of ``mix``."""

    def __init__(self, source: PairSource, mix: DegradationMix) -> None:
        super().__init__(source)
        self._mix = mix

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        seeds = [derive_seed(sample.seed, "degradation") for sample in samples]
        return degrade_mixed(spoiled_as_nan(hr) / 2 + 0.5, self._mix, seeds) * 2 - 1, hr
