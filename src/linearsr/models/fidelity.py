"""The fidelity knob: decoders between one trained for detail and one trained for the distance to the photo.

Both have the same start, so that the straight line between their weights is made of working decoders. A step along it
trades perceptual detail for PSNR and costs nothing when images are made.
Reference: network interpolation, Wang et al., 2018 (arXiv:1809.00219), section 3.4.
"""

from __future__ import annotations

import copy

import torch

from linearsr.models.autoencoder import Decoder

DEFAULT = 0.2
"""Of models with both decoders: better than 0 by PSNR, SSIM, LPIPS and DISTS at once (docs/results.md)."""
DENOISED = 0.05
"""The same where all noise was taken out: detail went with it, and none is left to be sharpened (docs/log.md)."""


class FidelityKnob:
    """The decoders from ``detailed`` (0) to ``faithful`` (1), the last one kept; with ``faithful`` None, 0 alone."""

    def __init__(self, detailed: Decoder, faithful: Decoder | None) -> None:
        self.detailed, self.faithful = detailed, faithful
        self._last: tuple[float, Decoder] | None = None

    def fitting(self, denoised: float) -> float:
        """Return the fidelity for a photo of which that share of the noise is taken out; 0 without a second decoder."""
        return 0.0 if self.faithful is None else DEFAULT + denoised * (DENOISED - DEFAULT)

    def at(self, fidelity: float) -> Decoder:
        """Return the decoder at ``fidelity``.

        Raises:
            ValueError: if there is none but that of 0.
        """
        if fidelity == 0:
            return self.detailed
        if self.faithful is None:
            raise ValueError(f"no decoder for a fidelity of {fidelity}")
        if self._last is None or self._last[0] != fidelity:
            self._last = fidelity, blend(self.detailed, self.faithful, fidelity)
        return self._last[1]

    def forget(self) -> None:
        """Blend anew next time: the decoders have been moved."""
        self._last = None


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
