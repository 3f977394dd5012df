"""How much of a picture's noise goes."""

from __future__ import annotations

import pytest
import torch
from small_models import changing_denoiser, randn, small_denoiser

from linearsr.models.judging import automatic_share, denoised_batch, noise_strength, share_of


def pictures(count):
    return randn(count, 3, 16, 16).tanh() * 0.8


@pytest.mark.parametrize(
    ("change", "strength", "share"),
    [
        *((0, 5, 0), (2, 2.1, 0), (2.5, 2.5, 0.5), (3, 3, 1), (40, 40, 1), (2.9, 1.9, 0)),
        *((3.2, 5, 0), (3.5, 5, 0.5), (3.8, 5, 1), (5, 10, 0), (6, 10, 0), (6.5, 10, 0.75), (7.7, 14, 0), (9, 15, 0.5)),
        *((12, 10, 1), (13, 10, 0.5), (14, 10, 0), (30, 10, 0)),
    ],
)
def test_noise_goes_where_it_can_be_seen_and_is_not_texture(change, strength, share):
    assert float(share_of(torch.tensor(float(change)), torch.tensor(float(strength)))) == pytest.approx(share, abs=1e-4)


def test_the_strength_is_the_lower_quartile():
    denoiser = small_denoiser()
    denoiser.meter.forward = lambda windows: torch.tensor([9.0, 1.0, 5.0, 2.0, 30.0]).log()
    assert noise_strength(pictures(5), denoiser) == pytest.approx(2)


@pytest.mark.parametrize(("change", "share"), [(3, 0), (6.5, 0.75), (9, 1)])
def test_what_denoising_would_change_decides_the_share(change, share):
    batch, denoiser = pictures(2), changing_denoiser(change)
    assert automatic_share(batch, denoiser, 10.0) == pytest.approx(share, abs=1e-4)
    assert automatic_share(batch, denoiser, 2.0) == 0
    moved = (denoised_batch(batch, denoiser) - batch) * 127.5
    torch.testing.assert_close(moved, torch.full_like(moved, share * change), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("count", "tried"), [(1, 1), (9, 9), (10, 5), (16, 8), (25, 9)])
def test_the_denoiser_is_tried_on_few_squares_all_over_the_picture(count, tried):
    denoiser, seen = changing_denoiser(9), []
    unchanged = denoiser.forward
    denoiser.forward = lambda lr, strength: seen.append(lr) or unchanged(lr, strength)
    windows = pictures(count)
    assert automatic_share(windows, denoiser, 10.0) == 1
    assert torch.equal(seen[0], windows[:: -(-count // 9)])
    assert len(seen[0]) == tried


def test_pictures_of_a_batch_are_denoised_each_by_its_own_noise():
    denoiser = small_denoiser()
    denoiser.meter.forward = lambda lr: torch.tensor([1.9, 4.0, 20.0, 20.0]).log()
    parts = torch.tensor([1.1, 0.7, 0.5, 0.8])
    denoiser.forward = lambda lr, strength: lr + (strength * parts)[:, None, None, None] / 127.5
    batch = pictures(4) / 2
    moved = (denoised_batch(batch, denoiser) - batch).mean((1, 2, 3)) * 127.5
    torch.testing.assert_close(moved, torch.tensor([0.0, 0.5 * 0.8 * 2.8, 0.0, 16.0]), atol=1e-3, rtol=0)
