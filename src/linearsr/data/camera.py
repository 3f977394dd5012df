"""Pairs that one camera might have taken: both images as soft as it writes them, each at its own pixels.

    hr' = G_s hr        lr' = degraded G_4rs hr, by the camera preset less its blur        r: near 1

Lens, sensor and the interpolation of its colour mosaic leave no photo sharp to the pixel. Photos of training sets are:
most have been reduced. A decoder that knows but those takes a camera's own softness for blur, and draws more than there
is.

Legend: B pairs; lr (B, 3, h, w), hr (B, 3, 4h, 4w) in [-1, 1]; G_s a Gaussian of deviation s, in HR pixels.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from linearsr.data.blur import blurred
from linearsr.data.degradations import degrade
from linearsr.data.draws import Draws, derive_seed
from linearsr.data.presets import camera
from linearsr.data.sampling import SCALE, ChangedPairs, PairSource, Sample

DEVIATIONS = (0.2, 1.2)
"""From a reduced photo to the corner of a zoom lens; at 0.6 the contrast of 0.3 cycles a pixel is half."""
RATIOS = (0.8, 1.25)
_SHARP = replace(camera(), first=replace(camera().first, blur_probability=0.0))


class CameraPairs(ChangedPairs):
    """Pairs of another source, a ``share`` of them made anew as a camera takes them at both sizes."""

    def __init__(self, source: PairSource, share: float) -> None:
        super().__init__(source)
        self._share = share

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        draws = Draws([derive_seed(sample.seed, "camera") for sample in samples])
        applies, deviations, ratios = draws.chance(self._share), draws.uniform(DEVIATIONS), draws.uniform(RATIOS)
        lr, hr = lr.clone(), hr.clone()
        for index in torch.nonzero(applies)[:, 0].tolist():
            deviation, ratio = float(deviations[index]), float(ratios[index])
            soft = blurred(hr[index], SCALE * ratio * deviation)
            seed = derive_seed(samples[index].seed, "camera", "degradation")
            lr[index] = degrade(soft[None] / 2 + 0.5, _SHARP, [seed])[0] * 2 - 1
            hr[index] = blurred(hr[index], deviation)
        return lr, hr
