"""Drawings in the place of photos."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from small_models import photo
from small_stages import synthetic_pool

from linearsr.data.drawings import DrawnPairs, drawing

OPTIONS = {"seed": 0, "size": 8, "lr_side": 16}


def flatness(picture):
    """Share of the pixels that are as their neighbours."""
    across, down = (picture.diff(dim=side).abs().amax(0) == 0 for side in (1, 2))
    return float((across[:, :-1] & down[:-1]).float().mean())


def test_drawings_are_flat_with_sharp_edges_and_each_is_another():
    drawings = [drawing(seed, 64) for seed in range(12)]
    assert all(picture.shape == (3, 64, 64) for picture in drawings)
    assert all(torch.equal(picture * 255, (picture * 255).round()) for picture in drawings)
    assert 0 <= min(picture.min() for picture in drawings) < max(picture.max() for picture in drawings) <= 1
    plain = torch.from_numpy(photo(64, 64)).permute(2, 0, 1).float() / 255
    assert sum(map(flatness, drawings)) / 12 > 0.6 > 0.2 > flatness(plain)
    assert all(picture.diff(dim=1).abs().max() > 0.2 for picture in drawings)
    assert torch.equal(drawings[3], drawing(3, 64))
    assert len({picture.sum().item() for picture in drawings}) == 12


def test_no_share_keeps_every_photo_and_all_replaces_each():
    pool = synthetic_pool()
    before = pool.batch(0, **OPTIONS)
    assert all(torch.equal(a, b) for a, b in zip(before, DrawnPairs(pool, 0.0).batch(0, **OPTIONS), strict=True))
    lr, hr = DrawnPairs(pool, 1.0).batch(0, **OPTIONS)
    assert (hr != before[1]).flatten(1).any(1).all()
    torch.testing.assert_close(lr, F.avg_pool2d(hr, 4))
    _, some = DrawnPairs(pool, 0.5).batch(0, **OPTIONS)
    kept = (some == before[1]).flatten(1).all(1)
    assert 0 < int(kept.sum()) < 8
    assert torch.equal(some[~kept], hr[~kept])


def test_a_pair_knows_neither_of_its_rank_nor_of_its_companions():
    source = DrawnPairs(synthetic_pool(), 0.5)
    for whole, *halves in zip(
        source.batch(3, **OPTIONS), *(source.batch(3, **OPTIONS, rank=rank, world=2) for rank in range(2)), strict=True
    ):
        assert torch.equal(whole, torch.cat(halves))
