"""How much of a picture's noise goes: all where it is noise for sure and can be seen, nothing elsewhere.

The meter looks first, in next to no time, so that most photos do without a denoiser at all. Where it finds something,
the judge says how strong that is. It is wrong about fine texture at times; but of that the denoiser takes out much less
than it was told, and of noise nearly as much. So the change it makes decides too (docs/decisions/0010-denoiser.md).

What JPEG leaves is found by itself (jpeg_traces.py) and taken out as noise of a strength that goes by its quality:
most of what it has changed is detail that is lost, of which neither the change nor the judge's estimate tells much.

Legend: B pictures, or squares of one, (B, 3, h, w) in [-1, 1]; levels are those of 8 bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from linearsr.jpeg_standard import step_scale
from linearsr.models.denoiser import LEVELS_PER_UNIT, Denoiser
from linearsr.models.jpeg_traces import jpeg_quality
from linearsr.models.noise_cells import noise_cells

NOTHING = 1.5
"""Levels: a picture that the meter finds no more in is left as it is."""
FAINT, PLAIN = 2.5, 4.0
"""Levels: so does one that the judge finds the first in; from the second on, its noise may go."""
DOUBTFUL, SURE = 0.5, 0.65
"""Change as a share of the strength: up to the first it is texture taken for noise, from the second on it is noise."""
USUAL, EXCESSIVE = 1.2, 1.4
"""That share at the other end: up to the first it is noise; from the second on more than that would go, as letters."""
BLOCKS, STRONGEST_BLOCKS = 4.5, 9.0
"""Levels that the denoiser is told of JPEG of quality 50, and of the worst; others go by their steps."""
FAINTEST_BLOCKS = 1.0
"""Levels: fainter blocks, of qualities from 89 on, are left as they are."""
STRONGEST = 255.0
"""Levels: there is no stronger noise, whatever a judge makes of what it has never seen."""
QUARTILE = 0.25
"""That of its squares at which the meter looks: in texture a square may be taken for noisier than it is."""
TRIED = 6
"""Most squares that the denoiser is tried on: of a small picture, all would cost as much as denoising it."""


@torch.inference_mode()
def noise_strength(windows: Tensor, denoiser: Denoiser) -> float:
    """Strength of a picture's noise in levels, as the judge finds it in squares of the picture."""
    cells = noise_cells(_few(_lowered(windows, denoiser)), denoiser)
    return min(STRONGEST, float(denoiser.judge(cells.flatten(0, 1)[None]).float().exp()))


@torch.inference_mode()
def automatic_share(windows: Tensor, denoiser: Denoiser) -> tuple[float, float | None]:
    """How much of a picture's noise or JPEG blocks goes, by float32 squares of it, and how strong they are.

    Noise or blocks: whichever are more. The strength is None where there are no blocks, and too little noise for the
    judge to be asked.
    """
    share, strength = _share_of_noise(_lowered(windows, denoiser), denoiser)
    blocks = strength_of_blocks(windows)
    return (share, strength) if blocks <= share * (strength or 0.0) else (1.0, blocks)


@torch.no_grad()
def denoised_batch(lr: Tensor, denoiser: Denoiser) -> Tensor:
    """Return B pictures less noise and JPEG blocks, each by its own, as whole images are in use."""
    strength = denoiser.judge(noise_cells(lr, denoiser)).float().exp()
    output = denoiser(lr, strength).clamp(-1, 1)
    share = share_of(strength, changes_of(lr, output)) * (metered(lr, denoiser) > NOTHING)
    blocks = lr.new_tensor([strength_of_blocks(picture[None]) for picture in lr])
    has_blocks = blocks > share * strength
    if has_blocks.any():
        output[has_blocks] = denoiser(lr[has_blocks], blocks[has_blocks]).clamp(-1, 1)
    return lr.lerp(output, share.masked_fill(has_blocks, 1)[:, None, None, None])


def strength_of_blocks(pictures: Tensor) -> float:
    """How strong the denoiser is told that the JPEG blocks of the pictures are, in levels; 0 where they have none."""
    quality = jpeg_quality(pictures)
    strength = 0.0 if quality is None else min(STRONGEST_BLOCKS, BLOCKS * step_scale(quality))
    return 0.0 if strength < FAINTEST_BLOCKS else strength


@torch.no_grad()
def metered(pictures: Tensor, denoiser: Denoiser) -> Tensor:
    """Strength of the noise in each, in levels, at the meter's first look: (B,)."""
    strength: Tensor = denoiser.meter(pictures).float().exp()
    return strength


def changes_of(lr: Tensor, output: Tensor) -> Tensor:
    """Root mean square of what denoising changes, in levels: (B,)."""
    return (lr - output).float().square().mean((1, 2, 3)).sqrt() * LEVELS_PER_UNIT


def share_of(strength: Tensor, change: Tensor) -> Tensor:
    """How much of noise of that strength goes, where all of it would be a change of so many levels."""
    is_seen = (strength - FAINT) / (PLAIN - FAINT)
    ratio = change / strength
    is_noise = (ratio - DOUBTFUL) / (SURE - DOUBTFUL)
    is_usual = (EXCESSIVE - ratio) / (EXCESSIVE - USUAL)
    return is_seen.clamp(0, 1) * is_noise.clamp(0, 1) * is_usual.clamp(0, 1)


def _share_of_noise(windows: Tensor, denoiser: Denoiser) -> tuple[float, float | None]:
    if float(metered(windows, denoiser).quantile(QUARTILE)) <= NOTHING:
        return 0.0, None
    strength = noise_strength(windows, denoiser)
    if strength <= FAINT:
        return 0.0, strength
    tried = _few(windows)
    told = tried.new_full((len(tried),), strength)
    change = changes_of(tried, denoiser(tried, told)).square().mean().sqrt()
    return float(share_of(change.new_tensor(strength), change)), strength


def _lowered(windows: Tensor, denoiser: Denoiser) -> Tensor:
    """The squares in the denoiser's precision."""
    return windows.to(denoiser.strength_in.weight.dtype)


def _few(windows: Tensor) -> Tensor:
    """Squares from all over the picture, at most ``TRIED``."""
    return windows[:: -(-len(windows) // TRIED)]
