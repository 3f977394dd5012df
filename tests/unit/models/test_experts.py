"""R17: every timestep belongs to exactly one expert."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_models import randn, small_experts

from linearsr.models.experts import BOUNDARIES, ExpertsConfig, OnDemandExperts, bisect_boundaries


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


def on_demand(reads):
    """The same experts read one at a time; what is read is noted in ``reads``."""
    resident = small_experts()

    def read(index):
        reads.append(index)
        return {name: value.clone() for name, value in resident.weights(index).items()}

    return OnDemandExperts(resident.config, resident.transformer_config, read)


def test_an_expert_is_read_when_the_timestep_comes_to_it_and_kept_meanwhile():
    reads = []
    experts = on_demand(reads)
    assert reads == []
    for t in (1.0, 0.95, 0.9, 0.5, 0.3, 0.1, 0.0):
        experts.expert_at(t)
    assert reads == [0, 1, 2, 3]


def test_experts_on_demand_follow_the_module_to_its_precision():
    reads = []
    experts = on_demand(reads)
    assert experts.expert_at(0.5).patch_in.weight.dtype == torch.float32
    experts.to(torch.bfloat16)
    assert experts.expert_at(0.5).patch_in.weight.dtype == torch.bfloat16
    assert reads == [2, 2]


def test_an_expert_read_while_sampling_can_be_used_elsewhere():
    experts = on_demand([])
    with torch.inference_mode():
        expert = experts.expert_at(0.5)
    assert not any(parameter.is_inference() for parameter in expert.parameters())


def test_a_failed_read_leaves_no_expert_of_another_timestep_behind():
    reads = []
    experts = on_demand(reads)
    experts.expert_at(1.0)
    good, experts._read = experts._read, lambda index: {}
    with pytest.raises(RuntimeError, match="Missing key"):
        experts.expert_at(0.5)
    experts._read = good
    experts.expert_at(1.0)
    assert reads == [0, 0]
