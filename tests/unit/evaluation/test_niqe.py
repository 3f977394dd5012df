import numpy as np
import pytest
from scipy.special import gamma
from small_models import photo

from linearsr.evaluation.luma import full_luma
from linearsr.evaluation.niqe import NIQE, block_features


def test_every_block_has_its_own_features():
    luma = full_luma(photo(200, 300))
    features = block_features(luma)
    assert features.shape == (6, 36)
    # The second block of the first row, with neighbours of its own only where the filters reach.
    other = luma.copy()
    other[100:] = 0
    np.testing.assert_allclose(block_features(other)[1, :2], features[1, :2], rtol=0.05)
    assert np.abs(block_features(other)[4:, :2] - features[4:, :2]).max() > 0.1


def test_gaussian_noise_has_the_features_of_gaussian_noise():
    """Normalized, it is nearly normal; products lean to the negative, as each pixel is in the mean of the other."""
    luma = np.random.default_rng(0).normal(128, 20, (192, 192))
    shape, spread, _, mean, left, right = block_features(luma).mean(0)[:6]
    assert 1.8 < shape < 3.2
    deviation = spread / np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    assert 0.7 < deviation < 1.1
    assert -0.2 < mean < 0
    assert right < left < 1.3 * right


def test_the_score_is_the_distance_between_two_gaussians():
    picture = photo(192, 192)
    features = block_features(full_luma(picture))
    mean, covariance = features.mean(0), np.cov(features, rowvar=False)
    assert NIQE(mean, covariance)(picture) == pytest.approx(0, abs=1e-6)
    moved = mean + np.eye(36)[3]
    # With the identity as the photos' covariance the mixture is invertible.
    mixture = (covariance + np.eye(36)) / 2
    assert NIQE(moved, np.eye(36))(picture) == pytest.approx(np.sqrt(np.linalg.inv(mixture)[3, 3]), rel=1e-6)


def test_flat_blocks_do_not_make_the_score_undefined():
    picture = photo(192, 288)
    mean = block_features(full_luma(picture)).mean(0)
    picture[:, :100] = 90
    assert np.isfinite(NIQE(mean, np.eye(36))(picture))
