"""Patch discriminator for the adversarial part of the decoder's training; never needed to upscale an image.

Reference: Isola et al., 2017 (arXiv:1611.07004) for the patch form; Miyato et al., 2018 (arXiv:1802.05957) for spectral
normalisation, which keeps it stable without any statistic over the batch.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """HR image -> one realness score per patch. (B, 3, H, W) in [-1, 1] -> (B, 1, H/8, W/8)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in itertools.pairwise(channels)
        )
        self.refine = spectral_norm(nn.Conv2d(channels[-1], channels[-1], 3, padding=1))
        self.head = spectral_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        x = image
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        score: Tensor = self.head(F.leaky_relu(self.refine(x), 0.2))
        return score
