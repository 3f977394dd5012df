"""The fidelity knob: decoders between one trained for detail and one trained for the distance to the photo.

Both have the same start, so that the straight line between their weights is made of working decoders. A step along it
trades perceptual detail for PSNR and costs nothing when images are made.
Reference: network interpolation, Wang et al., 2018 (arXiv:1809.00219), section 3.4.
"""

from __future__ import annotations

import copy

import torch

from linearsr.models.autoencoder import Decoder

DEFAULT = 0.25
"""Of models with both decoders: better than 0 by PSNR, SSIM, LPIPS and DISTS at once (docs/results.md)."""


@torch.no_grad()
def blend(detailed: Decoder, faithful: Decoder, fidelity: float) -> Decoder:
    """Return a new decoder of weights (1 - fidelity) * detailed + fidelity * faithful; neither is changed.

    Raises:
        ValueError: if they are not of the same geometry.
    """
    if detailed.config != faithful.config:
        raise ValueError(f"decoders of {detailed.config} and {faithful.config} cannot be blended")
    decoder = copy.deepcopy(detailed)
    for weight, target in zip(decoder.parameters(), faithful.parameters(), strict=True):
        weight.lerp_(target, fidelity)
    return decoder
