from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import photo

from linearsr.data.degradations import (
    KERNEL_KINDS,
    KERNEL_WEIGHTS,
    Degradation,
    DegradationStage,
    _random_kernel,
    camera,
    degrade,
    light,
    real_esrgan,
    sinc_kernel,
)

PRESETS = [camera(), light(), real_esrgan()]


@pytest.fixture(params=PRESETS, ids=lambda preset: preset.name)
def preset(request):
    return request.param


def hr(height=64, width=96):
    return torch.from_numpy(photo(height, width)).permute(2, 0, 1)[None].float() / 255


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_result_is_a_pure_function_of_image_preset_and_seed(preset):
    before = hr()
    image = before.clone()
    results = [degrade(image, preset, seeded(seed)) for seed in (1, 1, 2)]
    assert torch.equal(image, before)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("size", [(64, 96), (32, 32), (8, 4), (124, 36)])
def test_result_is_a_quarter_of_the_side_in_8_bit_levels(preset, size):
    for seed in range(12):
        lr = degrade(hr(*size), preset, seeded(seed))
        assert lr.shape == (1, 3, size[0] // 4, size[1] // 4)
        assert 0 <= lr.min() <= lr.max() <= 1
        assert (lr * 255 - (lr * 255).round()).abs().max() < 1e-4


def test_result_still_shows_the_picture(preset):
    small = F.interpolate(hr(128, 128), (32, 32), mode="area").numpy().ravel()
    likeness = [np.corrcoef(small, degrade(hr(128, 128), preset, seeded(s)).numpy().ravel())[0, 1] for s in range(10)]
    assert np.median(likeness) > 0.9


def test_second_order_degradation_is_the_strongest():
    small = F.interpolate(hr(128, 128), (32, 32), mode="area")
    damage = {
        preset.name: np.median(
            [float((degrade(hr(128, 128), preset, seeded(s)) - small).abs().mean()) for s in range(20)]
        )
        for preset in PRESETS
    }
    assert damage["real_esrgan"] > damage["light"]
    assert damage["real_esrgan"] > damage["camera"]


def test_presets_stay_in_sane_ranges(preset):
    for stage in (preset.first, preset.second):
        if stage is None:
            continue
        values = dataclasses.asdict(stage)
        for name, value in values.items():
            if name.endswith("probability"):
                assert 0 <= value <= 1, name
            if isinstance(value, tuple) and name != "resize_probabilities":
                assert 0 < value[0] <= value[1], name
        assert sum(stage.resize_probabilities) == pytest.approx(1)
        assert stage.jpeg_quality[1] <= 100
        assert stage.resize_range[0] <= 1 <= stage.resize_range[1]


@pytest.mark.parametrize("sinc", [0.0, 1.0])
def test_every_random_kernel_is_square_odd_and_sums_to_one(sinc):
    stage, generator = DegradationStage(sinc_probability=sinc), seeded(0)
    for _ in range(150):
        kernel = _random_kernel(stage, generator)
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.shape[0] in range(7, 22, 2)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert torch.isfinite(kernel).all()


@pytest.mark.parametrize("cutoff", [math.pi / 5, math.pi / 3, math.pi])
def test_sinc_kernel_passes_low_frequencies_and_stops_high_ones(cutoff):
    kernel = sinc_kernel(cutoff, 21)
    axis = torch.arange(21.0) - 10

    def gain(frequency):
        return abs(float((kernel * torch.cos(frequency * axis)).sum()))

    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert gain(0.3 * cutoff) > 0.8
    if cutoff < 2:
        assert gain(1.5 * cutoff) < 0.2


def test_kernel_kinds_and_their_weights_match():
    assert len(KERNEL_KINDS) == len(KERNEL_WEIGHTS)
    assert sum(KERNEL_WEIGHTS) == pytest.approx(1)


OFF = DegradationStage(
    blur_probability=0,
    noise_probability=0,
    jpeg_probability=0,
    resize_probabilities=(0, 0, 1),
    resize_range=(1, 1),
    jpeg_quality=(5, 5),
)


def test_each_kind_of_damage_can_be_switched_off():
    clean = degrade(torch.full((1, 3, 16, 16), 0.6), Degradation(name="none", first=OFF), seeded(0))
    torch.testing.assert_close(clean, torch.full((1, 3, 4, 4), 0.6))


def test_second_order_process_always_ends_with_a_jpeg():
    plain, coded = Degradation(name="one", first=OFF), Degradation(name="two", first=OFF, second=OFF)
    for seed in range(12):
        apart = (degrade(hr(), coded, seeded(seed)) - degrade(hr(), plain, seeded(seed))).abs().mean() * 255
        assert 3 < apart < 60, seed


@pytest.mark.parametrize("gaussian", [0.0, 1.0])
@pytest.mark.parametrize("gray", [0.0, 1.0])
def test_gray_noise_is_the_same_in_every_channel(gaussian, gray):
    stage = DegradationStage(
        blur_probability=0,
        jpeg_probability=0,
        resize_probabilities=(0, 0, 1),
        gaussian_probability=gaussian,
        gray_noise_probability=gray,
        gaussian_sigma=(20, 20),
        poisson_scale=(1, 1),
    )
    noisy = degrade(torch.full((1, 3, 64, 64), 0.5), Degradation(name="noise", first=stage), seeded(0))
    assert noisy.std() > 1 / 255
    assert (noisy[:, 0] - noisy[:, 1]).abs().max() < 1e-6 or gray == 0
    assert (noisy[:, 0] - noisy[:, 1]).abs().max() > 1e-6 or gray == 1
