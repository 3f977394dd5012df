import math

import pytest
import torch
from small_models import randn, small_transformer

from linearsr.training.features import FEATURES, feature_statistics, recorded_features


def test_white_noise_has_the_kurtosis_of_a_normal_and_full_rank():
    found = feature_statistics(2 * randn(4000, 32))
    assert found.keys() == set(FEATURES)
    assert found["kurtosis"] == pytest.approx(3 * 32 / 34, rel=0.02)  # of a sample of 32
    assert found["mean_square"] == pytest.approx(4, rel=0.02)
    assert 31 < found["effective_rank"] <= 32


def test_one_channel_that_outgrows_the_others_raises_the_kurtosis_and_lowers_the_rank():
    x = randn(1000, 32)
    calm, wild = feature_statistics(x), feature_statistics(x * torch.tensor([100.0] + [1.0] * 31))
    assert wild["kurtosis"] > 8 * calm["kurtosis"]
    assert wild["effective_rank"] < 0.5 * calm["effective_rank"]


def test_rank_counts_directions():
    x = randn(500, 3) @ torch.linalg.qr(randn(16, 3)).Q.T
    assert feature_statistics(x)["effective_rank"] == pytest.approx(3, abs=0.05)


def test_silence_has_finite_statistics():
    assert all(math.isfinite(value) for value in feature_statistics(torch.zeros(10, 4)).values())


def test_features_of_the_middle_block_are_collected_while_asked_for():
    transformer = small_transformer()
    inputs = randn(2, 4, 3, 2), torch.tensor([0.5, 0.5]), randn(2, 3, 24, 16)
    with recorded_features(transformer) as collected:
        transformer(*inputs)
        transformer(*inputs)
    transformer(*inputs)
    assert [tuple(tokens.shape) for tokens in collected] == [(12, 16), (12, 16)]
    assert torch.equal(*collected)
