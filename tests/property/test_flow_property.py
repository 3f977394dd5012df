"""R17: timesteps, log-SNR and experts, for all values."""

from __future__ import annotations

import itertools

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from linearsr.diffusion.flow import TimestepDensity, log_snr, shift_timestep, timestep_of
from linearsr.diffusion.sampler import plan_timesteps
from linearsr.models.experts import ExpertsConfig, bisect_boundaries

inside = st.floats(1e-12, 1 - 1e-12)
boundaries = st.lists(st.integers(1, 999), unique=True, max_size=6).map(
    lambda values: tuple(sorted((value / 1000 for value in values), reverse=True))
)


@given(inside)
def test_timestep_survives_log_snr(t):
    assert abs(timestep_of(log_snr(t)) - t) <= 1e-10


@given(st.floats(-40, 40))
def test_log_snr_survives_the_timestep_where_floats_can_hold_it(value):
    t = timestep_of(value)
    assert abs(log_snr(t) - value) <= 1e-10 + 1e-15 / (1 - t)


@given(inside, inside)
def test_log_snr_strictly_orders_timesteps(a, b):
    if abs(a - b) > 1e-13:
        assert (a < b) == (log_snr(a) > log_snr(b))


@given(boundaries, st.floats(0, 1))
def test_every_timestep_has_exactly_one_expert_whose_interval_holds_it(boundaries, t):
    config = ExpertsConfig(boundaries=boundaries)
    holders = [i for i in range(config.count) if config.interval(i)[0] < t <= config.interval(i)[1]]
    assert holders == ([config.expert_at(t)] if t > 0 else [])
    assert 0 <= config.expert_at(t) < config.count


@given(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=3, max_size=3, unique=True).map(sorted))
def test_bisection_halves_each_side_in_log_snr(values):
    t_min, anchor, t_max = values
    high, middle, low = bisect_boundaries(anchor, t_min, t_max)
    assert middle == anchor
    for t, edge in ((high, t_max), (low, t_min)):
        assert abs(log_snr(t) - (log_snr(edge) + log_snr(anchor)) / 2) <= 1e-8


@given(st.integers(1, 60), boundaries, st.floats(0.1, 10))
def test_every_plan_descends_and_uses_every_expert_it_has_steps_for(steps, boundaries, shift):
    config = ExpertsConfig(boundaries=boundaries)
    grid = plan_timesteps(steps, boundaries, shift)
    assert len(grid) == steps + 1
    assert (grid[0], grid[-1]) == (1, 0)
    assert all(a > b for a, b in itertools.pairwise(grid))
    assert len({config.expert_at(t) for t in grid[:-1]}) == min(steps, config.count)


@given(st.floats(0, 1), st.floats(0.05, 20))
def test_shift_is_a_bijection_of_zero_to_one(t, shift):
    assert 0 <= shift_timestep(t, shift) <= 1
    assert abs(shift_timestep(shift_timestep(t, shift), 1 / shift) - t) <= 1e-9


@given(st.floats(0, 0.98), st.floats(0.01, 1), st.floats(-3, 3), st.floats(0.2, 3), st.floats(0.2, 5))
@example(5e-324, 1.0, 0.0, 1.0, 2.0)  # vanishes when the shift is undone
def test_density_never_leaves_its_interval(low, length, mean, std, shift):
    density = TimestepDensity(low=low, high=min(1.0, low + length), mean=mean, std=std, shift=shift)
    t = density.sample(64, torch.Generator().manual_seed(0))
    assert (t >= torch.tensor(density.low)).all()
    assert (t <= torch.tensor(density.high)).all()
