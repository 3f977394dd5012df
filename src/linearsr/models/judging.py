"""How much of a picture's noise goes: all where it is noise for sure and can be seen, nothing elsewhere.

The meter looks first, in next to no time, so that most photos do without a denoiser at all. Where it finds something,
the judge says how strong that is. It is wrong about fine texture at times; but of that the denoiser takes out much less
than it was told, and of noise nearly as much. So the change it makes decides too (docs/decisions/0010-denoiser.md).

How strong the denoiser is told that noise is goes by what a picture shows without it: where that is smooth, any rest of
noise is seen, and would be drawn as detail; in texture, less than all is best.

What JPEG leaves is found by itself (jpeg_traces.py) and taken out as noise of a strength that goes by its quality:
most of what it has changed is detail that is lost, of which neither the change nor the judge's estimate tells much.

Legend: B pictures, or squares of one, (B, 3, h, w) in [-1, 1]; levels are those of 8 bits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from linearsr.jpeg_standard import step_scale
from linearsr.models.denoiser import LEVELS_PER_UNIT, Denoiser
from linearsr.models.jpeg_traces import jpeg_quality
from linearsr.models.noise_cells import fine, noise_cells

NOTHING = 1.5
"""Levels: a picture that the meter finds no more in is left as it is."""
FAINT, PLAIN = 3.0, 5.0
"""Levels: so does one that the judge finds the first in; from the second on, its noise may go."""
DOUBTFUL, SURE = 0.5, 0.65
"""Change as a share of the strength: up to the first it is texture taken for noise, from the second on it is noise."""
USUAL, EXCESSIVE = 1.2, 1.4
"""That share at the other end: up to the first it is noise; from the second on more than that would go, as letters."""
SHARP, DRAWN = 20.0, 26.0
"""Levels of fine detail without the noise: hardly a photo has over the first, and letters have the second and more."""
SMOOTH, TEXTURED = 5.0, 12.0
"""The same: a picture is smooth up to the first, and texture from the second on."""
MORE, LESS = 1.4, 0.7
"""Times the noise's strength that the denoiser is told where a picture is smooth, and where it is texture."""
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
    """How strong the denoiser is told that a picture's noise is, in levels, by squares of the picture."""
    squares = _few(_lowered(windows, denoiser))
    return _tried(squares, denoiser, _judged(squares, denoiser))[1]


@torch.inference_mode()
def automatic_share(windows: Tensor, denoiser: Denoiser) -> tuple[float, float | None]:
    """How much of a picture's noise or JPEG blocks goes, by float32 squares of it, and how strong the denoiser is told.

    Noise or blocks: whichever are more. The strength is None where there are no blocks, and too little noise for the
    judge to be asked.
    """
    share, strength = _share_of_noise(_lowered(windows, denoiser), denoiser)
    blocks = strength_of_blocks(windows)
    return (share, strength) if blocks <= share * (strength or 0.0) else (1.0, blocks)


@torch.no_grad()
def denoised_batch(lr: Tensor, denoiser: Denoiser) -> Tensor:
    """Return B pictures less noise and JPEG blocks, each by its own, as whole images are in use."""
    strength, share = judged_batch(lr, denoiser)
    noisy, output = share > 0, lr.clone()
    if noisy.any():
        denoised = denoiser(lr[noisy], denoiser.sign * strength[noisy]).clamp(-1, 1)
        output[noisy] = lr[noisy].lerp(denoised, share[noisy, None, None, None])
    return output


@torch.no_grad()
def judged_batch(lr: Tensor, denoiser: Denoiser) -> tuple[Tensor, Tensor]:
    """How strong the denoiser is told that noise or blocks are in each of B pictures, and how much goes: (B,), (B,)."""
    strength = denoiser.judge(noise_cells(lr, denoiser)).float().exp()
    tried = denoiser(lr, strength)
    detail = detail_of(tried)
    share = share_of(strength, changes_of(lr, tried), detail) * (metered(lr, denoiser) > NOTHING)
    told = strength * times_told(detail)
    blocks = lr.new_tensor([strength_of_blocks(picture[None]) for picture in lr])
    has_blocks = blocks > share * told
    return torch.where(has_blocks, blocks, told), share.masked_fill(has_blocks, 1)


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


def share_of(strength: Tensor, change: Tensor, detail: Tensor) -> Tensor:
    """How much of noise of that strength goes, where all of it would be a change of so many levels.

    ``detail`` is what would be left; all are (B,).
    """
    is_seen = (strength - FAINT) / (PLAIN - FAINT)
    ratio = change / strength
    is_noise = (ratio - DOUBTFUL) / (SURE - DOUBTFUL)
    is_usual = (EXCESSIVE - ratio) / (EXCESSIVE - USUAL)
    is_photo = (DRAWN - detail) / (DRAWN - SHARP)
    return is_seen.clamp(0, 1) * is_noise.clamp(0, 1) * is_usual.clamp(0, 1) * is_photo.clamp(0, 1)


def detail_of(pictures: Tensor) -> Tensor:
    """Root mean square of what is fine in each, in levels: (B,)."""
    return fine(pictures.float()).square().mean((1, 2, 3)).sqrt() * LEVELS_PER_UNIT


def times_told(detail: Tensor) -> Tensor:
    """How many times the strength of its noise the denoiser is told, for a picture that has so much detail without."""
    place = (detail.clamp(min=SMOOTH).log() - math.log(SMOOTH)) / math.log(TEXTURED / SMOOTH)
    return MORE + place.clamp(max=1) * (LESS - MORE)


def _share_of_noise(windows: Tensor, denoiser: Denoiser) -> tuple[float, float | None]:
    if float(metered(windows, denoiser).quantile(QUARTILE)) <= NOTHING:
        return 0.0, None
    squares = _few(windows)
    strength = _judged(squares, denoiser)
    return (0.0, strength) if strength <= FAINT else _tried(squares, denoiser, strength)


def _judged(squares: Tensor, denoiser: Denoiser) -> float:
    """Strength of the noise in levels: the root mean square of what the judge finds in the squares, each by itself."""
    strengths = denoiser.judge(noise_cells(squares, denoiser)).float().exp()
    return min(STRONGEST, float(strengths.square().mean().sqrt()))


def _tried(squares: Tensor, denoiser: Denoiser, strength: float) -> tuple[float, float]:
    """How much of noise of that strength goes, and how strong the denoiser is told that it is."""
    output = denoiser(squares, squares.new_full((len(squares),), strength))
    change = changes_of(squares, output).square().mean().sqrt()
    detail = detail_of(output).median()
    share = share_of(change.new_tensor(strength), change, detail)
    return float(share), min(STRONGEST, strength * float(times_told(detail)))


def _lowered(windows: Tensor, denoiser: Denoiser) -> Tensor:
    """The squares in the denoiser's precision."""
    return windows.to(denoiser.strength_in.weight.dtype)


def _few(windows: Tensor) -> Tensor:
    """Squares from all over the picture, at most ``TRIED``."""
    return windows[:: -(-len(windows) // TRIED)]
