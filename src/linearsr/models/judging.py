"""How much of a picture's noise goes: all where it is noise for sure and can be seen, nothing elsewhere.

The meter alone cannot tell, for it may take fine texture for noise. But of true noise the denoiser takes out as much as
it was told; of texture it finds less, and of letters and drawings it would take more. So the change it makes decides,
by its size and beside the strength (docs/decisions/0010-denoiser.md).

Legend: B pictures, or squares of one, (B, 3, h, w) in [-1, 1]; levels are those of 8 bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from linearsr.models.denoiser import LEVELS_PER_UNIT, Denoiser

FAINT, PLAIN = 2.0, 3.0
"""Levels: a picture that denoising changes by the first is left as it is; from the second on, its noise may go."""
STRONG, VERY_STRONG = 5.0, 7.0
"""Levels: between these, less and less proof is asked for. Strong noise that stays is worse than texture that goes."""
DOUBTFUL, SURE = 0.65, 0.75
"""Change as a share of the strength: up to the first it is texture taken for noise, from the second on it is noise."""
LENIENCE = 0.1
"""Both are less by this where the change is very strong."""
USUAL, EXCESSIVE = 1.2, 1.4
"""That share at the other end: up to the first it is noise, from the second on more than noise would be taken out."""

TRIED = 9
"""Most squares that the denoiser is tried on: of a small picture, all would cost as much as denoising it."""


@torch.inference_mode()
def noise_strength(windows: Tensor, denoiser: Denoiser) -> float:
    """Strength of a picture's noise in levels, by squares of it: the lower quartile of theirs.

    Where there is texture, a square may be taken for noisier than it is; noise is everywhere.
    """
    return float(denoiser.meter(windows).float().quantile(0.25).exp())


@torch.inference_mode()
def automatic_share(windows: Tensor, denoiser: Denoiser, strength: float) -> float:
    """How much of a picture's noise goes, from 0 to 1, by squares of it and the strength of the noise."""
    if strength <= FAINT:  # so that most photos do without a denoiser at all
        return 0.0
    tried = windows[:: -(-len(windows) // TRIED)]
    told = tried.new_full((len(tried),), strength)
    change = changes_of(tried, denoiser(tried, told)).square().mean().sqrt()
    return float(share_of(change, told[0].float()))


@torch.no_grad()
def denoised_batch(lr: Tensor, denoiser: Denoiser) -> Tensor:
    """Return B pictures less noise, each by its own, as whole images are in use."""
    strength = denoiser.meter(lr).exp()
    output = denoiser(lr, strength).clamp(-1, 1)
    return lr.lerp(output, share_of(changes_of(lr, output), strength.float())[:, None, None, None])


def changes_of(lr: Tensor, output: Tensor) -> Tensor:
    """Root mean square of what denoising changes, in levels: (B,)."""
    return (lr - output).float().square().mean((1, 2, 3)).sqrt() * LEVELS_PER_UNIT


def share_of(change: Tensor, strength: Tensor) -> Tensor:
    """How much of the noise goes where all of it would be a change of so many levels, told its strength."""
    ratio = change / strength
    is_seen = (change - FAINT) / (PLAIN - FAINT)
    lenience = LENIENCE * ((change - STRONG) / (VERY_STRONG - STRONG)).clamp(0, 1)
    is_enough = (ratio - DOUBTFUL + lenience) / (SURE - DOUBTFUL)
    is_usual = (EXCESSIVE - ratio) / (EXCESSIVE - USUAL)
    return is_seen.clamp(0, 1) * is_enough.clamp(0, 1) * is_usual.clamp(0, 1) * (strength > FAINT)
