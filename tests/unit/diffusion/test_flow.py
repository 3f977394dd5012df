from __future__ import annotations

import math

import pytest
import torch
from small_models import randn

from linearsr.diffusion.flow import (
    TimestepDensity,
    interpolate,
    log_snr,
    shift_timestep,
    timestep_of,
    velocity,
)

INTERVALS = [(0.939, 1.0), (0.875, 0.939), (0.223, 0.875), (0.0, 0.223), (0.0, 1.0)]


def draw(count=4000, **density):
    return TimestepDensity(**density).sample(count, torch.Generator().manual_seed(0))


def test_path_runs_from_data_to_noise_at_its_velocity():
    z0, z1 = randn(3, 2, 4, 4).double(), randn(3, 2, 4, 4, seed=1).double()
    ends = interpolate(z0, z1, torch.tensor([0.0, 1.0, 0.25]))
    assert torch.equal(ends[0], z0[0])
    assert torch.equal(ends[1], z1[1])
    t, step = torch.tensor([0.1, 0.5, 0.9]).double(), 0.05
    rate = (interpolate(z0, z1, t + step) - interpolate(z0, z1, t)) / step
    torch.testing.assert_close(rate, velocity(z0, z1))


def test_log_snr_is_zero_at_one_half_and_falls_towards_noise():
    assert log_snr(0.5) == 0
    assert log_snr(0.2) == pytest.approx(2 * math.log(4))
    assert log_snr(0.1) > log_snr(0.2) > log_snr(0.9)
    assert timestep_of(2000) == 0
    assert timestep_of(-2000) == 1


@pytest.mark.parametrize("t", [0.0, 1.0, -1.0])
def test_log_snr_needs_a_timestep_inside(t):
    with pytest.raises(ValueError, match=str(t)):
        log_snr(t)


def test_shift_moves_towards_noise_keeps_the_ends_and_is_undone_by_its_inverse():
    assert shift_timestep(0.5, 3) == 0.75
    assert (shift_timestep(0, 3), shift_timestep(1, 3)) == (0, 1)
    assert shift_timestep(shift_timestep(0.3, 3), 1 / 3) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="-2"):
        shift_timestep(0.5, -2)


@pytest.mark.parametrize(("low", "high"), INTERVALS)
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_samples_lie_inside_the_interval_and_fill_it(low, high, shift):
    t = draw(low=low, high=high, shift=shift)
    assert t.dtype == torch.float32
    assert t.min() >= torch.tensor(low)
    assert t.max() <= torch.tensor(high)
    assert t.max() - t.min() > 0.8 * (high - low)


@pytest.mark.parametrize(("low", "high"), INTERVALS)
@pytest.mark.parametrize(("mean", "std", "shift"), [(0.0, 1.0, 1.0), (0.5, 1.4, 3.0)])
def test_truncation_equals_rejection_sampling(low, high, mean, std, shift):
    t = draw(low=low, high=high, mean=mean, std=std, shift=shift).double()
    normal = torch.randn(400_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plain = torch.sigmoid(mean + std * normal)
    plain = shift * plain / (1 + (shift - 1) * plain)
    kept = plain[(plain > low) & (plain <= high)].sort().values
    assert len(kept) > 1000
    share = torch.searchsorted(kept, t.sort().values).double() / len(kept)
    expected = torch.linspace(0, 1, len(t), dtype=torch.float64)
    assert (share - expected).abs().max() < 1.95 * math.sqrt(1 / len(t) + 1 / len(kept))  # 99.9 % of KS statistics


def test_samples_are_a_function_of_the_generator():
    assert torch.equal(draw(), draw())


@pytest.mark.parametrize(
    "wrong", [{"low": 0.5, "high": 0.5}, {"low": -0.1}, {"high": 1.1}, {"std": 0.0}, {"shift": -1.0}]
)
def test_bad_density_is_refused_with_its_value(wrong):
    with pytest.raises(ValueError, match="|".join(str(value) for value in wrong.values())):
        TimestepDensity(**wrong)
