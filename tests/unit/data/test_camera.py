"""Pairs that one camera might have taken."""

from __future__ import annotations

import pytest
import torch
from small_stages import synthetic_pool

from linearsr.data.camera import DEVIATIONS, RATIOS, CameraPairs
from linearsr.data.sampling import LARGEST_PIXEL

OPTIONS = {"seed": 0, "size": 8, "lr_side": 16}


class Edges:
    """A sharp edge in the middle of every HR image; LR images of nothing."""

    def batch(self, step, *, size, lr_side, **options):
        hr = torch.full((size, 3, 4 * lr_side, 4 * lr_side), -0.5)
        hr[..., 2 * lr_side :] = 0.5
        return torch.zeros(size, 3, lr_side, lr_side), hr


def widths(images):
    """Standard deviation of the blur that the edges have been through, in pixels: (B, 3, H, W) -> (B,)."""
    middle = images.shape[-1] // 2
    slope = images.mean((1, 2)).diff()[:, middle - 7 : middle + 6].clamp(min=0)
    places = torch.arange(13.0)
    mean = (slope * places).sum(1) / slope.sum(1)
    return ((slope * (places - mean[:, None]) ** 2).sum(1) / slope.sum(1)).sqrt()


def test_none_is_made_anew_for_no_share_and_every_one_for_all():
    pool = synthetic_pool()
    for before, none, after in zip(
        pool.batch(0, **OPTIONS),
        CameraPairs(pool, 0.0).batch(0, **OPTIONS),
        CameraPairs(pool, 1.0).batch(0, **OPTIONS),
        strict=True,
    ):
        assert torch.equal(none, before)
        assert (after != before).flatten(1).any(1).all()


def test_both_images_of_a_pair_are_soft_by_about_as_many_of_their_own_pixels():
    lr, hr = (widths(images) for images in CameraPairs(Edges(), 1.0).batch(0, seed=0, size=32, lr_side=32))
    assert hr.min() < DEVIATIONS[0]
    assert 1.0 < hr.max() < DEVIATIONS[1] + 0.05
    # The reduction and faint noise widen an edge, too, by half a pixel.
    soft = hr > 0.6
    own = (lr.square() - 0.5**2).clamp(min=0).sqrt()[soft] / hr[soft]
    assert own.min() > RATIOS[0] - 0.25
    assert own.max() < RATIOS[1] + 0.25
    assert lr[hr < 0.5].mean() < 0.75 * lr[hr > 0.9].mean()


def test_lr_keeps_to_8_bit_levels():
    lr, _ = CameraPairs(synthetic_pool(), 1.0).batch(0, **OPTIONS)
    levels = (lr + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_no_pixel_leaves_its_range(value):
    class Plain:
        def batch(self, step, **options):
            return torch.full((8, 3, 16, 16), value), torch.full((8, 3, 64, 64), value)

    for images in CameraPairs(Plain(), 1.0).batch(0, **OPTIONS):
        assert images.abs().max() < LARGEST_PIXEL
