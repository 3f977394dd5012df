import numpy as np
import pytest
from scipy.special import gamma
from small_models import photo

from linearsr.evaluation.brisque import BRISQUE, SupportVectors, image_features
from linearsr.evaluation.luma import full_luma
from linearsr.evaluation.scene_statistics import fit_asymmetric, normalize


def regression(vectors, coefficients, bias=0.0):
    return SupportVectors(
        vectors=np.array(vectors),
        coefficients=np.array(coefficients),
        gamma=0.5,
        bias=bias,
        lowest=np.zeros(36),
        highest=np.full(36, 2.0),
    )


def test_prediction_is_a_sum_of_radial_kernels():
    near, far = np.zeros(36), np.full(36, 5.0)
    model = regression([near, far], [10.0, 1000.0], bias=-3.0)
    assert model.predict(np.ones(36)) == pytest.approx(13)  # the middle of the ranges is scaled to zero
    assert model.predict(np.full(36, 1.1)) == pytest.approx(10 * np.exp(-0.5 * 36 * 0.1**2) + 3)


def test_features_of_a_product_are_shape_mean_and_the_two_variances():
    luma = full_luma(photo(64, 80))
    features = image_features(luma)
    normalized = normalize(luma, repeat_edge=False)
    assert features.shape == (36,)
    assert features[1] == pytest.approx((normalized**2).mean())
    product = normalized * np.roll(normalized, 1, axis=1)
    fit = fit_asymmetric(product.reshape(1, -1))
    a, left, right = fit.shape[0], fit.left[0], fit.right[0]
    mean = (right - left) * gamma(2 / a) / gamma(1 / a) * np.sqrt(gamma(1 / a) / gamma(3 / a))
    np.testing.assert_allclose(features[2:6], (a, mean, left**2, right**2), rtol=1e-9)


def test_blur_and_noise_move_the_features_apart():
    clean = full_luma(photo(96, 96)).copy()
    noisy = clean + np.random.default_rng(0).normal(0, 40, clean.shape)
    assert np.abs(image_features(noisy) - image_features(clean)).max() > 0.2


def test_a_constant_image_has_a_score():
    score = BRISQUE(regression(np.zeros((1, 36)), [1.0]))(np.full((40, 40, 3), 80, np.uint8))
    assert np.isfinite(score)
