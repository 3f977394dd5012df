"""Pairs for the denoiser: the same picture with and without noise, and nothing else between them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_models import photo

from linearsr.data.degradations import degrade
from linearsr.data.loader import PairPool
from linearsr.data.noise_mixes import denoising_mix, metering_mix, without_noise
from linearsr.data.noisy import NoisyPairs
from linearsr.data.presets import BLUR, Degradation, all_presets

MIXED = {preset.name: preset for mix in (denoising_mix(), metering_mix()) for preset, _ in mix}
PRESETS = [*all_presets(), *MIXED.values()]


@pytest.fixture
def pool():
    hr = [torch.from_numpy(photo(128, 160, seed)).permute(2, 0, 1).contiguous() for seed in range(2)]
    lr = [torch.zeros(1, 3, 32, 40, dtype=torch.uint8) for _ in hr]
    return PairPool(("a", "b"), tuple(hr), tuple(lr))


def batch(pool, step, *, size=4, **share):
    return NoisyPairs(pool, metering_mix()).batch(step, seed=3, size=size, lr_side=24, **share)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_without_noise_flat_places_stay_flat_and_the_picture_stays_in_place(preset):
    clean = without_noise(preset)
    flat = torch.full((3, 3, 64, 64), 0.6)
    torch.testing.assert_close(degrade(flat, clean, [0, 1, 2]), flat[..., : 64 // clean.scale, : 64 // clean.scale])
    image = torch.from_numpy(photo(128, 128)).permute(2, 0, 1)[None].float() / 255
    errors = [degrade(image, preset, [seed]) - degrade(image, clean, [seed]) for seed in range(8)]
    assert max(float(error.square().mean().sqrt()) for error in errors) > 0.001
    others = [degrade(image, preset, [seed]) - degrade(image, clean, [seed + 1]) for seed in range(8)]
    assert sum(float(e.square().mean()) for e in errors) < sum(float(e.square().mean()) for e in others)


def test_a_pair_shows_the_same_place_with_and_without_noise(pool):
    noisy, clean = batch(pool, 1, size=32)
    assert noisy.shape == clean.shape == (32, 3, 24, 24)
    assert -1 <= min(noisy.min(), clean.min()) < max(noisy.max(), clean.max()) <= 1
    strengths = (noisy - clean).square().mean((1, 2, 3)).sqrt() * 127.5
    assert strengths.min() < 5
    assert strengths.max() > 15
    coarse = [F.avg_pool2d(picture, 8).flatten() for picture in (noisy, clean)]
    assert torch.corrcoef(torch.stack(coarse))[0, 1] > 0.9


def test_a_picture_holds_as_much_as_a_fourth_of_a_photo_or_less():
    class Ramp:
        def batch(self, step, *, size, lr_side, **options):
            ramp = torch.linspace(-1, 1, 4 * lr_side)
            return torch.empty(0), ramp.expand(size, 3, 4 * lr_side, -1)

    untouched = [(Degradation(name="none", first=replace(BLUR, blur_probability=0.0), scale=1), 1.0)]
    noisy, clean = NoisyPairs(Ramp(), untouched).batch(0, seed=0, size=32, lr_side=32)
    assert torch.equal(noisy, clean)
    taken = (clean[:, 0, 0, -2] - clean[:, 0, 0, 1]) / 2 / (29 / 32)
    assert 0.25 < taken.min() < 0.45  # a part of a photo that is reduced by 1.25 has 0.31 of its side
    assert 0.85 < taken.max() < 1.05
    assert clean[:, 0, 0, 0].std() > 0.1  # parts are from all over


def test_a_batch_is_a_pure_function_of_seed_and_step_and_ranks_share_it(pool):
    whole = batch(pool, 5)
    assert all(torch.equal(a, b) for a, b in zip(whole, batch(pool, 5), strict=True))
    assert not torch.equal(whole[0], batch(pool, 6)[0])
    parts = [batch(pool, 5, rank=rank, world=2) for rank in range(2)]
    assert all(torch.equal(torch.cat(shares), full) for *shares, full in zip(*parts, whole, strict=True))


def test_a_spoiled_photo_makes_a_pair_that_no_step_takes(pool):
    class Spoiled:
        def batch(self, step, **options):
            lr, hr = pool.batch(step, **options)
            return lr, hr * 100

    noisy, clean = NoisyPairs(Spoiled(), metering_mix()).batch(0, seed=0, size=2, lr_side=24)
    assert math.isnan(float(noisy.mean()))
    assert math.isnan(float(clean.mean()))
