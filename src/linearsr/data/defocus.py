"""Pairs out of focus: what is smooth in a photo itself, which photos chosen for their texture hardly have.

    hr' = hr + m (G_s hr - hr)        lr' = lr + m (G_s/4 lr - lr), rounded to 8-bit levels

G_s is a Gaussian of deviation s, far wider than any blur that LR images alone are given, so that nobody could take its
sharpness for lost. m rises from 0 to 1 along a line through the crop, as the distance to the plane of focus does. On
such places a decoder that knows but texture draws a faint mesh.

Legend: B pairs; lr (B, 3, h, w), hr (B, 3, 4h, 4w) in [-1, 1].
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.blur import blurred
from linearsr.data.draws import Draws, derive_seed
from linearsr.data.sampling import SCALE, ChangedPairs, PairSource, Sample

DEVIATIONS = (6.0, 24.0)
"""In HR pixels; the widest blur of the camera preset has 3.6."""
WHOLE_SHARE = 0.5
"""Share of the blurred crops that are so all over."""
RAMP = (0.05, 0.5)
"""Width of the way from sharp to blurred in the others, in sides of the crop."""
_LEVELS = 127.5


class DefocusedPairs(ChangedPairs):
    """Pairs of another source, a ``share`` of them out of focus, in part or as a whole."""

    def __init__(self, source: PairSource, share: float) -> None:
        super().__init__(source)
        self._share = share

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        draws = Draws([derive_seed(sample.seed, "defocus") for sample in samples])
        applies = draws.chance(self._share)
        deviations = draws.uniform((math.log(DEVIATIONS[0]), math.log(DEVIATIONS[1]))).exp()
        masks = _ramps(draws, hr.shape[-1]).to(hr.device)
        lr, hr = lr.clone(), hr.clone()
        for index in torch.nonzero(applies)[:, 0].tolist():
            mask, deviation = masks[index], float(deviations[index])
            hr[index] = hr[index].lerp(blurred(hr[index], deviation), mask)
            soft = lr[index].lerp(blurred(lr[index], deviation / SCALE), F.avg_pool2d(mask[None], SCALE)[0])
            lr[index] = ((soft + 1) * _LEVELS).round() / _LEVELS - 1
        return lr, hr


def _ramps(draws: Draws, side: int) -> Tensor:
    """(B, side, side) from 0, in focus, to 1: some of them 1 all over, the others rising along a line."""
    angle, place = draws.uniform((0, 2 * math.pi)), draws.uniform((-0.5, 0.5))
    width, whole = draws.uniform(RAMP), draws.chance(WHOLE_SHARE)
    line = torch.linspace(-0.5, 0.5, side)
    along = angle.cos()[:, None, None] * line + angle.sin()[:, None, None] * line[:, None]
    ramps = ((along - place[:, None, None]) / width[:, None, None] + 0.5).clamp(0, 1)
    return ramps.masked_fill(whole[:, None, None], 1)
