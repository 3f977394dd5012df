from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from linearsr.data.canvas import Canvas
from linearsr.data.draws import Draws
from linearsr.data.noise import GAMMA, add_grain, add_noise, add_sensor_noise, poisson_counts
from linearsr.data.presets import DegradationStage

STAGE = DegradationStage(gaussian_sigma=(20, 20), poisson_scale=(1, 1), grain_probability=1, grain_sigma=(8, 8))


def noisy(add, stage, *, level=0.5, seed=0, size=(128, 128)):
    canvas = Canvas.of([torch.full((3, *size), level)])
    return add(canvas, stage, Draws([seed]), [torch.Generator().manual_seed(seed)]).pixels - level


@pytest.mark.parametrize("mean", [0.5, 2.0, 20.0, 200.0])
def test_counts_have_mean_variance_and_skew_of_a_poisson_distribution(mean):
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    counts = poisson_counts(torch.full_like(z, mean), z).double()
    exact = torch.poisson(torch.full_like(z, mean), generator=torch.Generator().manual_seed(1)).double()
    assert counts.min() >= 0
    assert torch.equal(counts, counts.round())
    assert float(counts.mean()) == pytest.approx(float(exact.mean()), abs=0.05 + 0.005 * mean)
    assert float(counts.std()) == pytest.approx(float(exact.std()), rel=0.12)
    if mean > 1:

        def skew(x):
            return float(((x - x.mean()) ** 3).mean() / x.std() ** 3)

        assert skew(counts) == pytest.approx(skew(exact), abs=0.15)


@pytest.mark.parametrize("gaussian", [0.0, 1.0])
@pytest.mark.parametrize("gray", [0.0, 1.0])
def test_gray_noise_is_the_same_in_every_channel(gaussian, gray):
    noise = noisy(add_noise, replace(STAGE, gaussian_probability=gaussian, gray_noise_probability=gray))
    assert noise.std() > 1 / 255
    assert ((noise[:, 0] - noise[:, 1]).abs().max() < 1e-6) == bool(gray)


def test_gaussian_noise_has_its_sigma_and_poisson_noise_grows_with_the_light():
    assert float(noisy(add_noise, replace(STAGE, gaussian_probability=1)).std()) * 255 == pytest.approx(20, rel=0.03)
    shot = replace(STAGE, gaussian_probability=0)
    for level in (0.1, 0.4, 0.6):
        assert float(noisy(add_noise, shot, level=level).std()) == pytest.approx((level / 256) ** 0.5, rel=0.05)


def test_grain_has_its_sigma_and_is_alike_among_neighbours_and_channels():
    for size in (1.5, 4.0):
        grain = noisy(add_grain, replace(STAGE, grain_size=(size, size)), size=(400, 400))[0].numpy()
        assert grain.std() * 255 == pytest.approx(8, rel=0.1)
        neighbours = np.corrcoef(grain[0, :, 1:].ravel(), grain[0, :, :-1].ravel())[0, 1]
        # The kernel's correlation with itself one pixel away.
        assert neighbours == pytest.approx(np.exp(-1 / (4 * size**2)), abs=0.02)
        assert 0.7 < np.corrcoef(grain[0].ravel(), grain[1].ravel())[0, 1] < 0.9


@pytest.mark.parametrize("read_share", [0.02, 0.4])
def test_sensor_noise_is_that_of_linear_light_with_its_sigma_at_mid_grey(read_share):
    stage = replace(STAGE, sensor_probability=1, sensor_sigma=(2, 2), sensor_read_share=(read_share, read_share))
    for level in (0.2, 0.5, 0.9):
        light = (level / 0.5) ** GAMMA
        # The share of light that black has, and the slope of the curve that takes light to grey levels.
        expected = 2 / 255 * ((1 - read_share) * light + read_share) ** 0.5 * (level / 0.5) ** (1 - GAMMA)
        noise = noisy(add_sensor_noise, stage, level=level)
        assert float(noise.std()) == pytest.approx(expected, rel=0.05)
        assert not torch.allclose(noise[:, 0], noise[:, 1], atol=1e-3)


def test_noise_of_the_amplifier_is_strongest_in_the_dark():
    stage = replace(STAGE, sensor_probability=1, sensor_sigma=(4, 4), sensor_read_share=(0.3, 0.3))
    dark, grey, bright = (float(noisy(add_sensor_noise, stage, level=level).std()) for level in (0.15, 0.5, 0.85))
    assert dark > 2 * grey > 2 * bright


@pytest.mark.parametrize("add", [add_noise, add_grain, add_sensor_noise])
def test_noise_of_a_picture_does_not_depend_on_its_companions(add):
    stage = replace(STAGE, noise_probability=0.7, grain_probability=0.7, sensor_probability=0.7)
    pictures = [torch.rand(3, 20 + seed, 40 - seed, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]

    def run(chosen):
        generators = [torch.Generator().manual_seed(seed) for seed in chosen]
        return add(Canvas.of([pictures[seed] for seed in chosen]), stage, Draws(chosen), generators).pictures()

    together = run(range(6))
    for seed in range(6):
        torch.testing.assert_close(run([seed])[0], together[seed], atol=1e-5, rtol=0)
    assert not all(torch.equal(a, b) for a, b in zip(together, pictures, strict=True))


@pytest.mark.parametrize("add", [add_noise, add_grain, add_sensor_noise])
def test_no_noise_leaves_the_picture_alone(add):
    canvas = Canvas.of([torch.rand(3, 8, 8)])
    stage = DegradationStage(noise_probability=0, grain_probability=0)
    assert add(canvas, stage, Draws([0]), [torch.Generator()]) is canvas
