"""R17: every timestep belongs to exactly one expert."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_models import randn, small_experts

from linearsr.models.experts import BOUNDARIES, ExpertsConfig, bisect_boundaries


@pytest.mark.parametrize("boundaries", [BOUNDARIES, (0.5,), (), (0.9, 0.6, 0.3, 0.1)])
def test_intervals_tile_zero_to_one(boundaries):
    config = ExpertsConfig(boundaries=boundaries)
    intervals = [config.interval(index) for index in range(config.count)]
    assert intervals[0][1] == 1
    assert intervals[-1][0] == 0
    assert all(before[0] == after[1] for before, after in itertools.pairwise(intervals))


def test_the_gate_agrees_with_the_intervals_and_includes_their_upper_ends():
    config = ExpertsConfig()
    for index in range(config.count):
        low, high = config.interval(index)
        assert config.expert_at(high) == index
        assert config.expert_at((low + high) / 2) == index
        assert config.expert_at(low) == min(index + 1, config.count - 1)


def test_paper_boundaries_are_the_default():
    assert ExpertsConfig().boundaries == (0.939, 0.875, 0.223)


@pytest.mark.parametrize("t", [-0.1, 1.1, float("nan")])
def test_timestep_outside_zero_to_one_is_refused(t):
    with pytest.raises(ValueError, match=str(t)):
        ExpertsConfig().expert_at(t)


def test_bisection_in_log_snr_gives_the_paper_boundaries():
    assert [round(t, 3) for t in bisect_boundaries(0.875, 0.01163, 0.9713)] == [0.939, 0.875, 0.223]


@pytest.mark.parametrize("values", [(0.5, 0.6, 0.9), (0.5, 0.1, 0.4), (0.5, 0.0, 0.9), (0.5, 0.1, 1.0)])
def test_bisection_needs_its_anchor_inside_the_range(values):
    with pytest.raises(ValueError, match=str(values[0])):
        bisect_boundaries(*values)


@pytest.mark.parametrize(("t", "index"), [(1.0, 0), (0.939, 1), (0.875, 2), (0.223, 3), (0.0, 3)])
def test_exactly_one_expert_is_run_for_a_timestep(t, index):
    model, (z, lr) = small_experts(), (randn(2, 4, 1, 2), randn(2, 3, 8, 16, seed=1))
    model(z, t, lr).sum().backward()
    used = [any(p.grad is not None for p in expert.parameters()) for expert in model.experts]
    assert used == [number == index for number in range(4)]
    assert torch.equal(model(z, t, lr), model.experts[index](z, torch.full((2,), t), lr))
