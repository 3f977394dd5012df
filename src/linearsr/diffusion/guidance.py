"""Classifier-free guidance: away from what a negative condition predicts, towards what the wanted one does.

    v(z, t) = v_negative(z, t) + s (v_wanted(z, t) - v_negative(z, t))

s = 1 is the wanted prediction itself, at no further cost; any other s costs a second evaluation.
Legend: z (B, C, H, W) latent, t a float, s the guidance scale. Reference: Ho and Salimans, 2022 (arXiv:2207.12598).
"""

from __future__ import annotations

from torch import Tensor

from linearsr.diffusion.sampler import VelocityFunction


def guided(wanted: VelocityFunction, negative: VelocityFunction, scale: float) -> VelocityFunction:
    """Return the guided velocity; with a ``scale`` of 1, ``wanted`` itself."""
    if scale == 1:
        return wanted

    def velocity(z: Tensor, t: float) -> Tensor:
        away = negative(z, t)
        return away + scale * (wanted(z, t) - away)

    return velocity
