from __future__ import annotations

import pytest
import torch

from linearsr.data.draws import Draws, derive_seed


def test_seeds_differ_with_every_part_and_its_place():
    seeds = {
        derive_seed(*parts) for parts in [(1, 2), (2, 1), (1, "2"), (12,), ("1", 2), (1, 2, 0), ("a b",), ("a", "b")]
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, "photo.png") == derive_seed(1, "photo.png")


def test_a_sample_draws_the_same_whatever_its_companions():
    alone, together = Draws([7]), Draws([3, 7, 9])
    for _ in range(5):
        assert torch.equal(alone.uniform((2, 5))[0], together.uniform((2, 5))[1])
        assert torch.equal(alone.chance(0.4)[0], together.chance(0.4)[1])
        assert torch.equal(alone.pick((1, 2, 3))[0], together.pick((1, 2, 3))[1])


def test_numbers_follow_what_is_asked_for():
    draws = Draws(range(4000))
    values = draws.uniform((2, 5))
    assert 2 <= values.min() < 2.01
    assert 4.99 < values.max() < 5
    assert draws.chance(0.3).float().mean() == pytest.approx(0.3, abs=0.03)
    shares = torch.bincount(draws.pick((1, 2, 7)), minlength=3) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.2, 0.7]), atol=0.03, rtol=0)
    assert not draws.chance(0.0).any()
    assert draws.chance(1.0).all()
    assert set(draws.pick((0, 1, 0)).tolist()) == {1}
