"""Pairs whose LR images are made anew."""

from __future__ import annotations

import torch
from small_stages import synthetic_pool

from linearsr.data.degraded import DegradedPairs
from linearsr.data.presets import camera, grainy

OPTIONS = {"seed": 0, "size": 8, "lr_side": 16}
MIX = ((camera(), 0.5), (grainy(), 0.5))


class Lightened:
    """A source that changes the HR images alone."""

    def batch(self, step, **options):
        lr, hr = synthetic_pool().batch(step, **options)
        return lr, hr / 4 + 0.75


def test_lr_images_show_what_has_become_of_the_hr_images():
    before, _ = Lightened().batch(0, **OPTIONS)
    lr, hr = DegradedPairs(Lightened(), MIX).batch(0, **OPTIONS)
    assert torch.equal(hr, Lightened().batch(0, **OPTIONS)[1])
    assert lr.shape == before.shape
    assert (lr.mean((1, 2, 3)) - hr.mean((1, 2, 3))).abs().max() < 0.1 < (before.mean() - hr.mean()).abs()
    levels = (lr + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3


def test_every_step_degrades_the_same_photo_in_another_way():
    class Still:
        def batch(self, step, **options):
            return synthetic_pool().batch(0, **options)

    source = DegradedPairs(Still(), MIX)
    first, again, other = (source.batch(step, **OPTIONS)[0] for step in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first != other).flatten(1).any(1).all()


def test_a_pair_knows_neither_of_its_rank_nor_of_its_companions():
    source = DegradedPairs(synthetic_pool(), MIX)
    for whole, *halves in zip(
        source.batch(3, **OPTIONS), *(source.batch(3, **OPTIONS, rank=rank, world=2) for rank in range(2)), strict=True
    ):
        assert torch.equal(whole, torch.cat(halves))


def test_a_spoiled_photo_stays_so():
    class Spoiled:
        def batch(self, step, **options):
            lr, hr = synthetic_pool().batch(step, **options)
            return lr, hr * 100

    lr, _ = DegradedPairs(Spoiled(), MIX).batch(0, **OPTIONS)
    assert lr.isnan().any()
