"""Colour fixes: bring the colours of a generated picture back to those of its source.

    wavelet   low frequencies of the source, high frequencies of the result (a-trous wavelet, five levels)
    adain     mean and standard deviation of each channel of the source

Images are (1, 3, H, W); the source has been enlarged to the result's size. Reference: StableSR (arXiv:2305.07015).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.request import ColorFix

LEVELS = 5


def fix_color(result: Tensor, source: Tensor, method: ColorFix) -> Tensor:
    """Return ``result`` with the colours of ``source``."""
    if method == "none":
        return result
    if method == "adain":
        return _match_moments(result, source)
    return result + low_frequencies(source - result)


def low_frequencies(image: Tensor, levels: int = LEVELS) -> Tensor:
    """Blur by ``levels`` dilated binomial filters: what is left after removing that many wavelet levels."""
    taps = torch.tensor((0.25, 0.5, 0.25), dtype=image.dtype, device=image.device)
    channels = image.shape[1]
    row, column = taps.view(1, 1, 1, 3).expand(channels, 1, 1, 3), taps.view(1, 1, 3, 1).expand(channels, 1, 3, 1)
    for level in range(levels):
        reach = 2**level
        image = F.conv2d(F.pad(image, (reach, reach, 0, 0), mode="replicate"), row, dilation=reach, groups=channels)
        image = F.conv2d(F.pad(image, (0, 0, reach, reach), mode="replicate"), column, dilation=reach, groups=channels)
    return image


def _match_moments(result: Tensor, source: Tensor) -> Tensor:
    deviation, mean = torch.std_mean(result, dim=(-2, -1), keepdim=True, correction=0)
    wanted_deviation, wanted_mean = torch.std_mean(source, dim=(-2, -1), keepdim=True, correction=0)
    return (result - mean) / (deviation + 1e-5) * wanted_deviation + wanted_mean
