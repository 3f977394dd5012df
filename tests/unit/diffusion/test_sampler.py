from __future__ import annotations

import itertools
import math

import pytest
import torch

from linearsr.diffusion.sampler import noise, plan_timesteps, sample
from linearsr.models.experts import BOUNDARIES, ExpertsConfig


def error(solver, steps):
    """Error at t = 0 of dz/dt = 3 t^2 z, z(1) = e, whose solution is e^(t^3)."""
    grid = [1 - step / steps for step in range(steps + 1)]
    z = sample(lambda z, t: 3 * t**2 * z, torch.full((1, 1, 1, 1), math.e).double(), grid, solver=solver)
    return abs(float(z) - 1)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_solver_has_its_order(solver, order):
    assert math.log2(error(solver, 200) / error(solver, 400)) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_straight_paths_are_solved_exactly_in_any_number_of_steps(solver):
    z1 = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    for steps in (1, 7):
        z0 = sample(lambda z, t: torch.ones_like(z) * 2, z1, plan_timesteps(steps, BOUNDARIES), solver=solver)
        torch.testing.assert_close(z0, z1 - 2)


def test_four_steps_are_one_per_expert():
    assert plan_timesteps(4, BOUNDARIES) == (1, 0.939, 0.875, 0.223, 0)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("steps", range(1, 51))
def test_every_plan_descends_from_noise_to_data_and_uses_every_expert_it_can(steps, shift):
    config = ExpertsConfig()
    grid = plan_timesteps(steps, config.boundaries, shift)
    assert len(grid) == steps + 1
    assert (grid[0], grid[-1]) == (1, 0)
    assert all(a > b for a, b in itertools.pairwise(grid))
    assert len({config.expert_at(t) for t in grid[:-1]}) == min(steps, 4)


def test_further_steps_go_where_the_longest_is_and_missing_ones_are_nearest_to_noise():
    assert plan_timesteps(5, BOUNDARIES) == pytest.approx((1, 0.939, 0.875, 0.549, 0.223, 0))
    assert plan_timesteps(2, BOUNDARIES) == (1, 0.223, 0)
    assert plan_timesteps(1, BOUNDARIES) == (1, 0)


def test_shift_puts_more_steps_near_noise():
    assert plan_timesteps(3, (), shift=3.0)[1:3] == pytest.approx((6 / 7, 0.6))


@pytest.mark.parametrize(
    ("steps", "boundaries", "shift", "named"),
    [
        (0, BOUNDARIES, 1.0, "not 0"),
        (4, (0.5, 0.5), 1.0, r"0\.5, 0\.5"),
        (4, (1.0,), 1.0, r"1\.0"),
        (4, (0.2, 0.9), 1.0, r"0\.2"),
        (4, (float("nan"),), 1.0, "nan"),
        (4, BOUNDARIES, 0.0, r"not 0\.0"),
    ],
)
def test_impossible_plan_is_refused_with_its_value(steps, boundaries, shift, named):
    with pytest.raises(ValueError, match=named):
        plan_timesteps(steps, boundaries, shift)


def test_callback_sees_every_step_in_order_with_the_latent_reached():
    seen = []
    z1, grid = torch.zeros(1, 1, 1, 1), (1.0, 0.5, 0.25, 0.0)
    end = sample(lambda z, t: torch.ones_like(z), z1, grid, on_step_end=lambda *step: seen.append(step))
    assert [(index, t, float(z)) for index, t, z in seen] == [(0, 0.5, -0.5), (1, 0.25, -0.75), (2, 0.0, -1.0)]
    assert torch.equal(end, seen[-1][2])


def test_an_exception_from_the_callback_stops_the_sampling():
    evaluated = []

    def velocity(z, t):
        evaluated.append(t)
        return z

    def cancel(index, t, z):
        if index == 1:
            raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError):
        sample(velocity, torch.zeros(1), (1.0, 0.8, 0.5, 0.0), on_step_end=cancel)
    assert evaluated == [1.0, 0.8]


def test_noise_is_standard_normal_and_a_function_of_the_seed():
    first, again, other = (noise((1, 4, 50, 50), torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert abs(float(first.mean())) < 0.05
    assert float(first.std()) == pytest.approx(1, abs=0.05)


def test_in_place_gives_the_same_in_the_memory_of_the_noise():
    z1, grid = noise((1, 2, 3, 3), torch.Generator().manual_seed(0)), plan_timesteps(4, BOUNDARIES)
    expected = sample(lambda z, t: z * t, z1.clone(), grid)
    z0 = sample(lambda z, t: z * t, z1, grid, in_place=True)
    assert torch.equal(z0, expected)
    assert z0.data_ptr() == z1.data_ptr()


def test_noise_is_the_same_wherever_it_is_put():
    place = torch.empty(1, 2, 30, 3)
    made = noise(place.shape, torch.Generator().manual_seed(5), out=place)
    assert made.data_ptr() == place.data_ptr()
    assert torch.equal(place, noise(place.shape, torch.Generator().manual_seed(5)))
