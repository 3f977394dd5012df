"""The fidelity knob: decoders between one trained for detail and one trained for the distance to the photo.

    near end     detailed -> cleaned, by the share of its noise that a photo is rid of
    decoder      near end -> faithful, by the fidelity

All have the same start, so that the straight lines between their weights are made of working decoders. A step along one
costs nothing when images are made. What a denoiser leaves of noise looks like the texture of a clean photo: a decoder
for both could but compromise.
Reference: network interpolation, Wang et al., 2018 (arXiv:1809.00219), section 3.4.
"""

from __future__ import annotations

import copy

import torch

from linearsr.models.autoencoder import Decoder

DEFAULT = 0.25
"""Of models with both decoders: detail like that of larger networks, nearer to the photo (docs/log.md)."""
DENOISED = 0.0
"""The same where all noise was taken out: the decoder for those photos has nothing to sharpen (docs/log.md)."""


class FidelityKnob:
    """Decoders from the near end (0) to ``faithful`` (1), the last one kept; with ``faithful`` None, 0 alone.

    The near end is ``detailed`` for photos as they are and, with all of their noise taken out, ``cleaned``, if there
    is one.
    """

    def __init__(self, detailed: Decoder, faithful: Decoder | None = None, cleaned: Decoder | None = None) -> None:
        self.detailed, self.faithful, self.cleaned = detailed, faithful, cleaned
        self._last: tuple[float, float, Decoder] | None = None

    def fitting(self, denoised: float) -> float:
        """Return the fidelity for a photo of which that share of the noise is taken out; 0 without a second decoder."""
        return 0.0 if self.faithful is None else DEFAULT + denoised * (DENOISED - DEFAULT)

    def at(self, fidelity: float, denoised: float = 0.0) -> Decoder:
        """Return the decoder at ``fidelity`` for a photo of which the share ``denoised`` of the noise is taken out.

        Raises:
            ValueError: if there is none but that of 0.
        """
        if fidelity and self.faithful is None:
            raise ValueError(f"no decoder for a fidelity of {fidelity}")
        if self._last is None or self._last[:2] != (fidelity, denoised):
            self._last = fidelity, denoised, self._blended(fidelity, denoised)
        return self._last[2]

    def forget(self) -> None:
        """Blend anew next time: the decoders have been moved."""
        self._last = None

    def _blended(self, fidelity: float, denoised: float) -> Decoder:
        decoder = self.detailed
        for end, place in ((self.cleaned, denoised), (self.faithful, fidelity)):
            if end is not None and place:
                decoder = blend(decoder, end, place)
        return decoder


@torch.no_grad()
def blend(start: Decoder, end: Decoder, place: float) -> Decoder:
    """Return a new decoder of weights (1 - place) * start + place * end; neither is changed.

    Raises:
        ValueError: if they are not of the same geometry.
    """
    if start.config != end.config:
        raise ValueError(f"decoders of {start.config} and {end.config} cannot be blended")
    decoder = copy.deepcopy(start)
    for weight, target in zip(decoder.parameters(), end.parameters(), strict=True):
        weight.lerp_(target, place)
    return decoder
