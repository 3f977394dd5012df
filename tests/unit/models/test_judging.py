"""How much of a picture's noise goes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from compressed_photos import compressed, photo, tensor
from small_models import changing_denoiser, randn, small_denoiser

from linearsr.models.judging import (
    BLOCKS,
    DOUBTFUL,
    DRAWN,
    EXCESSIVE,
    FAINT,
    LESS,
    MORE,
    NOTHING,
    PLAIN,
    SHARP,
    SMOOTH,
    STRONGEST_BLOCKS,
    SURE,
    TEXTURED,
    TRIED,
    USUAL,
    automatic_share,
    denoised_batch,
    detail_of,
    judged_batch,
    noise_strength,
    share_of,
    strength_of_blocks,
    times_told,
)
from linearsr.models.noise_cells import noise_cells


def pictures(count):
    """Nothing but texture, as strong as photos have it: of its noise, the denoiser is told ``LESS``."""
    return randn(count, 3, 16, 16).tanh() * 0.2


@pytest.mark.parametrize(
    ("strength", "part", "share"),
    [
        *((1, 1, 0), (FAINT, 1, 0), ((FAINT + PLAIN) / 2, 1, 0.5), (PLAIN, 1, 1), (40, 1, 1)),
        *((20, 0.1, 0), (20, DOUBTFUL, 0), (20, (DOUBTFUL + SURE) / 2, 0.5), (20, SURE, 1), (20, USUAL, 1)),
        *((20, (USUAL + EXCESSIVE) / 2, 0.5), (20, EXCESSIVE, 0), (20, 3, 0)),
        ((FAINT + PLAIN) / 2, (DOUBTFUL + SURE) / 2, 0.25),
    ],
)
def test_noise_goes_where_it_can_be_seen_and_is_not_texture(strength, part, share):
    values = torch.tensor([strength, part * strength, 0])
    assert float(share_of(*values)) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(("detail", "share"), [(SHARP, 1), ((SHARP + DRAWN) / 2, 0.5), (DRAWN, 0), (60, 0)])
def test_nothing_goes_of_what_is_sharper_than_photos(detail, share):
    assert float(share_of(*torch.tensor([20, 20, detail]))) == pytest.approx(share, abs=1e-4)


def test_the_strength_is_the_root_mean_square_of_that_of_the_squares():
    denoiser, windows = small_denoiser(), pictures(4)
    with torch.inference_mode():
        each = denoiser.judge(noise_cells(windows, denoiser)).exp()
    assert each.std() > 0
    assert noise_strength(windows, denoiser) == pytest.approx(LESS * float(each.square().mean().sqrt()), rel=1e-5)


def test_no_noise_is_stronger_than_there_are_levels():
    denoiser = changing_denoiser(9)
    denoiser.judge.forward = lambda cells: torch.full((len(cells),), 9.0)
    assert noise_strength(pictures(2), denoiser) == pytest.approx(LESS * 255)
    assert noise_strength(torch.zeros(2, 3, 16, 16), denoiser) == 255


def test_the_smoother_a_picture_is_the_more_the_denoiser_is_told():
    detail = torch.tensor([0.0, SMOOTH, (SMOOTH * TEXTURED) ** 0.5, TEXTURED, 99.0])
    torch.testing.assert_close(times_told(detail), torch.tensor([MORE, MORE, (MORE + LESS) / 2, LESS, LESS]))
    checks = torch.ones(8, 8)
    checks[::2, ::2] = checks[1::2, 1::2] = -1
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert float(detail_of(flat)) == pytest.approx(0, abs=1e-4)
    assert float(detail_of(flat + 4 / 127.5 * checks)) == pytest.approx(4, rel=0.12)
    smooth, denoiser = flat.expand(3, -1, -1, -1), changing_denoiser(9)
    assert automatic_share(smooth, denoiser) == pytest.approx((1.0, 10 * MORE))
    assert automatic_share(torch.cat([smooth, pictures(1)[..., :8, :8]]), denoiser)[1] == pytest.approx(10 * MORE)


@pytest.mark.parametrize(("change", "share"), [(10 * DOUBTFUL, 0), (5 * (DOUBTFUL + SURE), 0.5), (9, 1)])
def test_what_denoising_would_change_decides_the_share(change, share):
    batch, denoiser = pictures(2), changing_denoiser(change)
    assert automatic_share(batch, denoiser) == pytest.approx((share, 10 * LESS), abs=1e-4)
    moved = (denoised_batch(batch, denoiser) - batch) * 127.5
    torch.testing.assert_close(moved, torch.full_like(moved, share * change), atol=1e-3, rtol=0)


def test_a_picture_of_little_noise_is_not_judged_and_one_judged_clean_not_tried():
    batch, denoiser = pictures(5), changing_denoiser(9)
    denoiser.judge.forward = lambda cells: torch.full((len(cells),), math.log(FAINT))
    denoiser.forward = None
    assert automatic_share(batch, denoiser) == pytest.approx((0.0, FAINT))
    denoiser.judge.forward = denoiser.update = None
    quartile = torch.tensor([0.1, 9.0, NOTHING, 90.0, 9.0])
    denoiser.meter.forward = lambda windows: quartile.log()
    assert automatic_share(batch, denoiser) == (0.0, None)


@pytest.mark.parametrize(("count", "tried"), [(1, 1), (6, 6), (7, 4), (16, 6), (25, 5)])
def test_the_denoiser_is_tried_on_few_squares_all_over_the_picture(count, tried):
    denoiser, seen = changing_denoiser(9), []
    unchanged = denoiser.forward
    denoiser.forward = lambda lr, strength: seen.append(lr) or unchanged(lr, strength)
    windows = pictures(count)
    assert automatic_share(windows, denoiser)[0] == 1
    assert torch.equal(seen[0], windows[:: -(-count // TRIED)])
    assert len(seen[0]) == tried


def test_pictures_of_a_batch_are_denoised_each_by_its_own_noise():
    denoiser = small_denoiser()
    denoiser.meter.forward = lambda lr: torch.tensor([NOTHING, 4.0, 20.0, 20.0]).log()
    denoiser.judge.forward = lambda cells: torch.tensor([20.0, FAINT, 10.0, 20.0]).log()

    def forward(lr, strength):
        part = torch.where(strength == 10, DOUBTFUL, 0.8)
        return lr + (strength * part)[:, None, None, None] / 127.5

    denoiser.forward = forward
    batch = pictures(4)
    told, share = judged_batch(batch, denoiser)
    assert torch.equal(share, torch.tensor([0.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(told, torch.tensor([20.0, FAINT, 10.0, 20.0]) * LESS)
    moved = (denoised_batch(batch, denoiser) - batch).mean((1, 2, 3)) * 127.5
    torch.testing.assert_close(moved, torch.tensor([0.0, 0.0, 0.0, 16 * LESS]), atol=1e-3, rtol=0)


def test_the_judge_goes_by_the_first_answer_and_the_picture_is_the_clean_one():
    denoiser, told = changing_denoiser(9), []
    denoiser.config = replace(denoiser.config, cleans=True)
    denoiser.forward = lambda lr, strength: told.append(strength) or lr + 9 / 127.5
    denoised_batch(pictures(2), denoiser)
    assert [strength.sign().unique().tolist() for strength in told] == [[1.0], [-1.0]]
    assert torch.equal(-told[1], judged_batch(pictures(2), denoiser)[0])


@pytest.mark.parametrize(
    ("quality", "strength"), [(15, STRONGEST_BLOCKS), (30, BLOCKS * 5 / 3), (50, BLOCKS), (75, BLOCKS / 2), (92, 0)]
)
def test_blocks_are_as_strong_as_jpegs_steps_are_coarse(quality, strength):
    assert strength_of_blocks(tensor(compressed(photo(), quality))) == pytest.approx(strength, rel=0.12)


def test_blocks_go_where_there_is_no_noise_or_less_of_it():
    windows, denoiser = tensor(compressed(photo(), 50)), changing_denoiser(9)
    blocks = strength_of_blocks(windows)
    told = 10 * float(times_told(detail_of(windows)))
    assert told > blocks
    assert automatic_share(windows, denoiser) == pytest.approx((1.0, told))  # noise of 10 levels is more
    denoiser.forward = lambda lr, strength: lr + 10 * (DOUBTFUL + 0.02) / 127.5
    assert automatic_share(windows, denoiser) == (1.0, blocks)  # and a small part of it is less
    denoiser.meter.forward = lambda pictures: torch.zeros(len(pictures))
    assert automatic_share(windows, denoiser) == (1.0, blocks)


def test_of_a_batch_those_with_blocks_lose_them():
    denoiser = small_denoiser()
    denoiser.meter.forward = lambda lr: torch.zeros(len(lr))
    denoiser.forward = lambda lr, strength: lr + strength[:, None, None, None] / 127.5
    batch = torch.cat([*(tensor(compressed(photo(), quality)) for quality in (95, 50, 20)), tensor(photo())])
    strengths = torch.tensor([0, BLOCKS, STRONGEST_BLOCKS, 0])[:, None, None, None]
    expected = (batch + strengths / 127.5).clamp(-1, 1)
    torch.testing.assert_close(denoised_batch(batch, denoiser), expected, atol=0.2 / 127.5, rtol=0)
