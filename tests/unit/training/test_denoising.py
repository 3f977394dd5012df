"""The stage that trains the denoiser, its validation, and pairs that have been through a denoiser."""

from __future__ import annotations

import pytest
import torch
from small_models import changing_denoiser, randn, small_denoiser
from small_stages import small_config, small_stage, synthetic_pool

from linearsr.data.draws import derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.noise_mixes import denoising_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.data.presets import clean_mix
from linearsr.data.sampling import own_samples
from linearsr.models.judging import denoised_batch
from linearsr.training.denoising import (
    LEAST,
    DenoisedPairs,
    DenoiseStage,
    DenoisingSet,
    UndisturbedPairs,
    strength_of,
)


def test_strength_is_the_root_mean_square_of_what_has_changed_and_never_nothing():
    clean = randn(2, 3, 8, 8).tanh() / 2
    change = torch.tensor([0.1, 0.0])[:, None, None, None] * randn(2, 3, 8, 8, seed=1).sign()
    torch.testing.assert_close(strength_of(clean + change, clean), torch.tensor([12.75, LEAST]))


@pytest.mark.parametrize(
    ("name", "value", "steps", "share"),
    [
        ("denoise", "l1", 60, 0.9),
        ("meter", "log_strength", 60, 0.7),
        ("judge", "log_strength", 200, 0.7),
        ("polish-denoiser", "lr_l1", 60, 0.9),
    ],
)
def test_denoiser_meter_and_judge_learn(name, value, steps, share, perceptual):
    stage = small_stage(name, synthetic_pool(), perceptual, batch=4)
    optimizer = torch.optim.Adam(stage.module.parameters(), 3e-3)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss, parts = stage.loss(0)  # the same noise and pictures every time
        loss.backward()
        optimizer.step()
        values.append(parts[value])
    assert values[-1] < share * values[0]
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in stage.module.parameters())


def test_the_denoiser_is_told_about_how_strong_the_noise_is(monkeypatch):
    stage = DenoiseStage(small_config(batch=4), small_denoiser(), NoisyPairs(synthetic_pool(), denoising_mix()))
    told = []
    monkeypatch.setattr(stage.module, "forward", lambda noisy, strength: told.append(strength) or noisy)
    for step in (0, 0, 1):
        stage.loss(step)
    noisy, clean = NoisyPairs(synthetic_pool(), denoising_mix()).batch(0, seed=0, size=4, lr_side=16)
    off = (told[0] / strength_of(noisy, clean)).log()
    assert 0 < off.abs().max() < 0.6
    assert torch.equal(told[0], told[1])
    assert not torch.equal(told[0], told[2])


def test_validation_tells_the_quality_of_the_pictures_of_the_meter_and_of_the_judge():
    pairs = NoisyPairs(synthetic_pool(), denoising_mix()).batch(0, seed=0, size=2, lr_side=16)
    fixed = DenoisingSet.from_pairs(NoisyPairs(synthetic_pool(), denoising_mix()), size=2, lr_side=16)
    assert all(torch.equal(a, b) for a, b in zip((fixed.noisy, fixed.clean), pairs, strict=True))
    denoiser, told = small_denoiser(), []
    denoiser.forward = lambda noisy, strength: told.append(strength) or fixed.clean + 0.02
    denoiser.meter.forward = lambda noisy: (strength_of(*pairs) * torch.tensor([2.0, 0.5])).log()
    measured = fixed.measure(denoiser)
    assert torch.equal(told[0], strength_of(*pairs))
    assert abs(measured.values["psnr"] - 40) < 0.2  # a hundredth of the range, but where it is clamped
    assert measured.picture.shape == (3, 32, 48)
    assert abs(fixed.measure_meter(denoiser.meter).values["factor"] - 2) < 1e-4
    denoiser.judge.forward = lambda cells: (strength_of(*pairs) * torch.tensor([1.0, 9.0])).log()
    assert abs(fixed.measure_judge(denoiser.judge, denoiser).values["factor"] - 3) < 1e-4


def test_pairs_are_denoised_on_the_lr_side_alone():
    denoiser, pool = changing_denoiser(9), synthetic_pool()
    options = {"seed": 0, "size": 2, "lr_side": 16}
    (lr, hr), (clean, same) = pool.batch(3, **options), DenoisedPairs(pool, denoiser).batch(3, **options)
    assert torch.equal(hr, same)
    assert torch.equal(clean, denoised_batch(lr, denoiser))
    assert not torch.equal(clean, lr)


def test_pairs_that_noise_would_be_taken_from_are_degraded_anew():
    denoiser, pool, mix = changing_denoiser(9), synthetic_pool(), clean_mix()
    options = {"seed": 0, "size": 2, "lr_side": 16}
    (lr, hr), (left, same) = pool.batch(3, **options), UndisturbedPairs(pool, denoiser, mix).batch(3, **options)
    assert torch.equal(hr, same)
    seeds = [derive_seed(sample.seed, "undisturbed") for sample in own_samples(3, seed=0, size=2, rank=0, world=1)]
    anew = degrade_mixed(hr / 2 + 0.5, mix, seeds) * 2 - 1
    assert torch.equal(left, denoised_batch(anew, denoiser))  # what is taken out of those still is, as in use
    assert torch.equal(UndisturbedPairs(pool, changing_denoiser(0), mix).batch(3, **options)[0], lr)


def test_a_spoiled_lr_image_is_not_hidden_by_denoising():
    class Spoiled:
        def batch(self, step, **options):
            lr, hr = synthetic_pool().batch(step, **options)
            return lr * 100, hr

    for pairs in DenoisedPairs(Spoiled(), small_denoiser()), UndisturbedPairs(Spoiled(), small_denoiser(), clean_mix()):
        lr, _ = pairs.batch(0, seed=0, size=2, lr_side=16)
        assert lr.isnan().any()
