from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import photo

from linearsr.data.degradations import degrade
from linearsr.data.presets import Degradation, DegradationStage, all_presets

PRESETS = all_presets()


@pytest.fixture(params=PRESETS, ids=lambda preset: preset.name)
def preset(request):
    return request.param


def hr(height=64, width=96, count=1):
    images = [torch.from_numpy(photo(height, width, seed)).permute(2, 0, 1).float() / 255 for seed in range(count)]
    return torch.stack(images)


def test_result_is_a_pure_function_of_image_preset_and_seed(preset):
    before = hr()
    image = before.clone()
    results = [degrade(image, preset, [seed]) for seed in (1, 1, 2)]
    assert torch.equal(image, before)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_result_does_not_depend_on_companions(preset):
    images = hr(count=6)
    results = degrade(images, preset, range(6))
    for place in range(6):
        assert torch.equal(degrade(images[place : place + 1], preset, [place])[0], results[place])


def test_computed_together_or_alone_comes_out_the_same_to_rounding(preset):
    images = hr(count=6)
    alone, together = (degrade(images, preset, range(6), together=number) for number in (1, 6))
    apart = (alone - together).abs() * 255
    assert apart.max() < 20  # a coefficient of a JPEG may be rounded the other way
    assert (apart > 0.5).float().mean() < 0.02


@pytest.mark.parametrize("size", [(64, 96), (32, 32), (8, 4), (124, 36)])
def test_result_is_a_quarter_of_the_side_in_8_bit_levels(preset, size):
    lr = degrade(hr(*size).expand(12, -1, -1, -1), preset, range(12))
    assert lr.shape == (12, 3, size[0] // 4, size[1] // 4)
    assert 0 <= lr.min() <= lr.max() <= 1
    assert (lr * 255 - (lr * 255).round()).abs().max() < 1e-4


def damage(preset):
    """Median distance of 20 degraded versions from a plain reduction, in grey levels."""
    small = F.interpolate(hr(128, 128), (32, 32), mode="area")
    results = degrade(hr(128, 128).expand(20, -1, -1, -1), preset, range(20))
    return float(((results - small).abs() * 255).mean((1, 2, 3)).median())


def test_result_still_shows_the_picture(preset):
    small = F.interpolate(hr(128, 128), (32, 32), mode="area").numpy().ravel()
    results = degrade(hr(128, 128).expand(10, -1, -1, -1), preset, range(10)).numpy()
    assert np.median([np.corrcoef(small, result.ravel())[0, 1] for result in results]) > 0.8


def test_presets_grow_heavier():
    damages = {preset.name: damage(preset) for preset in PRESETS}
    assert damages["real_esrgan"] > max(damages["light"], damages["camera"])
    assert damages["real_esrgan_heavy"] > damages["real_esrgan"]


OFF = DegradationStage(
    blur_probability=0,
    noise_probability=0,
    jpeg_probability=0,
    resize_probabilities=(0, 0, 1),
    resize_range=(1, 1),
    jpeg_quality=(5, 5),
)


def test_each_kind_of_damage_can_be_switched_off():
    flat = torch.full((2, 3, 16, 16), 0.6)
    for second in (None, OFF):
        process = Degradation(name="none", first=OFF, second=second, final_sinc_probability=0)
        torch.testing.assert_close(degrade(flat, process, [0, 1]), torch.full((2, 3, 4, 4), 0.6))


def stage(**changes):
    return DegradationStage(
        **{"blur_probability": 0, "noise_probability": 0, "jpeg_probability": 0, "resize_probabilities": (0, 0, 1)}
        | changes
    )


def test_second_order_process_ends_with_a_jpeg_before_or_after_the_last_resize():
    plain = Degradation(name="one", first=OFF, second=OFF, final_sinc_probability=0)
    coded = Degradation(
        name="two", first=OFF, second=stage(jpeg_probability=1, jpeg_quality=(5, 5)), final_sinc_probability=0
    )
    apart = degrade(hr().expand(12, -1, -1, -1), coded, range(12)) - degrade(
        hr().expand(12, -1, -1, -1), plain, range(12)
    )
    losses = apart.abs().mean((1, 2, 3)) * 255
    assert 3 < losses.min() < losses.max() < 60


def test_factors_of_the_second_stage_refer_to_the_final_size():
    """With a factor of one the second stage's noise is that of the LR image: nothing averages it any more."""
    noise = stage(noise_probability=1, gaussian_probability=1, gaussian_sigma=(20, 20), gray_noise_probability=0)
    flat = torch.full((1, 3, 128, 128), 0.5)
    first = Degradation(name="first", first=noise, second=stage(), final_sinc_probability=0)
    second = Degradation(name="second", first=stage(), second=noise, final_sinc_probability=0)
    assert float(degrade(flat, second, [0]).std()) * 255 == pytest.approx(20, rel=0.1)
    assert float(degrade(flat, first, [0]).std()) * 255 < 18


def test_antialiasing_sees_all_pixels():
    """Of one white column in four, an interpolation between the two middle ones sees nothing."""
    columns = torch.zeros(12, 3, 64, 64)
    columns[..., ::4] = 1
    smooth = degrade(columns, Degradation(name="smooth", first=OFF), range(12))[..., 2:-2]
    rough = degrade(columns, Degradation(name="rough", first=OFF, antialias=False), range(12))[..., 2:-2]
    assert (smooth - 0.25).abs().max() < 0.1
    assert sorted({round(float(result.mean()), 2) for result in rough})[0] <= 0


@pytest.mark.parametrize("probabilities", [(1, 0, 0), (0, 1, 0)])
def test_resizing_there_and_back_keeps_the_picture_in_place(probabilities):
    process = Degradation(name="r", first=stage(resize_probabilities=probabilities, resize_range=(0.5, 2.0)))
    small = F.interpolate(hr(128, 128), (32, 32), mode="area").numpy().ravel()
    for result in degrade(hr(128, 128).expand(6, -1, -1, -1), process, range(6)).numpy():
        assert np.corrcoef(small, result.ravel())[0, 1] > 0.97
