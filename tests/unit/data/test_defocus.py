"""Pairs out of focus."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small_models import randn
from small_stages import synthetic_pool

from linearsr.data.defocus import DefocusedPairs
from linearsr.data.sampling import LARGEST_PIXEL

OPTIONS = {"seed": 0, "size": 8, "lr_side": 16}


def detail(images):
    return (images - F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)).square().mean((1, 2, 3))


def test_nothing_is_blurred_for_no_share_and_everything_for_all():
    pool = synthetic_pool()
    for before, none, after in zip(
        pool.batch(0, **OPTIONS),
        DefocusedPairs(pool, 0.0).batch(0, **OPTIONS),
        DefocusedPairs(pool, 1.0).batch(0, **OPTIONS),
        strict=True,
    ):
        assert torch.equal(none, before)
        assert (detail(after) < detail(before)).all()


def test_both_sides_are_blurred_alike():
    lr, hr = DefocusedPairs(synthetic_pool(), 1.0).batch(0, **OPTIONS)
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))  # at the border, either goes on with its own pixels
    assert (F.avg_pool2d(hr, 4) - lr)[inside].abs().max() * 127.5 < 6
    levels = (lr + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3


def test_some_are_in_focus_on_one_side():
    class Noise:
        def batch(self, step, **options):
            return randn(8, 3, 16, 16).tanh(), randn(8, 3, 64, 64).tanh()

    _, before = Noise().batch(0)
    _, after = DefocusedPairs(Noise(), 1.0).batch(0, **OPTIONS)
    kept = (after == before).all(1).flatten(1).float().mean(1)
    assert 0 < int((kept > 0.1).sum()) < 8
    assert (kept < 0.95).all()


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_no_pixel_leaves_its_range(value):
    class Plain:
        def batch(self, step, **options):
            return torch.full((8, 3, 16, 16), value), torch.full((8, 3, 64, 64), value)

    for images in DefocusedPairs(Plain(), 1.0).batch(0, **OPTIONS):
        assert images.abs().max() < LARGEST_PIXEL
        torch.testing.assert_close(images, torch.full_like(images, value), atol=1e-5, rtol=0)
