from __future__ import annotations

import pytest

from linearsr.data.presets import (
    Degradation,
    DegradationStage,
    all_presets,
    real_esrgan,
    real_esrgan_heavy,
    training_mix,
)
from linearsr.errors import ConfigError


def test_presets_have_names_of_their_own():
    names = [preset.name for preset in all_presets()]
    assert names == ["camera", "light", "web", "grainy", "real_esrgan", "real_esrgan_heavy"]


def test_training_mix_is_a_distribution_over_presets():
    presets, shares = zip(*training_mix(), strict=True)
    assert sum(shares) == pytest.approx(1)
    assert presets == all_presets()


def test_second_order_presets_are_the_published_ones():
    paper, moderate = real_esrgan_heavy(), real_esrgan()
    assert (paper.first.resize_range, paper.second.resize_range) == ((0.15, 1.5), (0.3, 1.2))
    assert (paper.first.gaussian_sigma, paper.second.gaussian_sigma) == ((1, 30), (1, 25))
    assert (paper.first.jpeg_quality, paper.second.jpeg_quality) == ((30, 95), (30, 95))
    assert (moderate.first.resize_range, moderate.second.resize_range) == ((0.3, 1.5), (0.6, 1.2))
    assert (moderate.first.gaussian_sigma, moderate.second.gaussian_sigma) == ((1, 15), (1, 12))
    assert (moderate.first.jpeg_quality, moderate.second.jpeg_quality) == ((60, 95), (60, 100))
    for preset in (paper, moderate):
        assert preset.final_sinc_probability == 0.8
        assert not preset.antialias


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise_probability": 1.5}, r"noise_probability must be from 0 to 1, not 1\.5"),
        ({"jpeg_quality": (90, 30)}, r"jpeg_quality must rise from above 0, not \(90, 30\)"),
        ({"kernel_sigma": (0, 3)}, r"kernel_sigma must rise from above 0, not \(0, 3\)"),
        ({"jpeg_quality": (30, 101)}, "jpeg_quality must be at most 100, not 101"),
        ({"resize_probabilities": (0.5, 0.6, 0)}, r"must be three shares of 1, not \(0\.5, 0\.6, 0\)"),
        ({"resize_probabilities": (1.5, -0.5, 0)}, "must be three shares of 1"),
    ],
)
def test_impossible_stages_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        DegradationStage(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"final_sinc_probability": 2}, "final_sinc_probability must be from 0 to 1, not 2"), ({"scale": 0}, "not 0")],
)
def test_impossible_processes_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Degradation(name="x", first=DegradationStage(), **change)
