import numpy as np
import pytest
import scipy.special
import scipy.stats
from scipy.ndimage import gaussian_filter
from small_models import photo

from linearsr.evaluation.luma import full_luma
from linearsr.evaluation.scene_statistics import fit_asymmetric, fit_symmetric, gamma, halve, normalize


def test_gamma_is_that_of_scipy():
    x = np.array([0.1, 0.5, 1, 4.5, 15])
    np.testing.assert_allclose(gamma(x), scipy.special.gamma(x), rtol=1e-13)


@pytest.mark.parametrize(("repeat_edge", "mode"), [(True, "nearest"), (False, "constant")])
def test_normalization_is_that_of_scipy_filters(repeat_edge, mode):
    plane = full_luma(photo(40, 51))

    def blur(values):
        return gaussian_filter(values, 7 / 6, radius=3, mode=mode)

    mean = blur(plane)
    expected = (plane - mean) / (np.sqrt(np.abs(blur(plane**2) - mean**2)) + 1)
    np.testing.assert_allclose(normalize(plane, repeat_edge=repeat_edge), expected, atol=1e-9)


def test_constant_areas_are_exactly_zero():
    assert not normalize(np.full((30, 30), 77.0), repeat_edge=True).any()


@pytest.mark.parametrize("shape", [(32, 48), (33, 47)])
def test_halving_keeps_a_ramp_in_the_middle_and_rounds_sides_up(shape):
    ramp = np.add.outer(np.arange(shape[0]) * 3.0, np.arange(shape[1]) * 2.0)
    half = halve(ramp)
    assert half.shape == (-(-shape[0] // 2), -(-shape[1] // 2))
    expected = np.add.outer(np.arange(half.shape[0]) * 6.0 + 1.5, np.arange(half.shape[1]) * 4.0 + 1)
    np.testing.assert_allclose(half[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-9)


def test_halving_removes_what_half_the_pixels_cannot_show():
    stripes = np.tile([0.0, 255.0], (32, 16))
    assert np.ptp(halve(stripes)[4:-4, 4:-4]) < 1e-9


@pytest.mark.parametrize("shape", [0.8, 2.0, 4.0])
def test_the_shape_of_a_generalized_gaussian_is_recovered(shape):
    samples = scipy.stats.gennorm.rvs(shape, scale=2, size=(2, 200_000), random_state=0)
    shapes, variances = fit_symmetric(samples)
    np.testing.assert_allclose(shapes, shape, rtol=0.05)
    np.testing.assert_allclose(variances, samples.var(1), rtol=0.01)


def test_the_two_sides_of_a_skewed_distribution_are_told_apart():
    draws = np.abs(np.random.default_rng(0).normal(size=(2, 200_000)))
    left_share = 1 / 4  # a side's share of the samples is its scale's share
    samples = np.where(np.arange(200_000) < 200_000 * left_share, -draws, 3 * draws)
    fit = fit_asymmetric(samples)
    np.testing.assert_allclose(fit.left, 1, rtol=0.02)
    np.testing.assert_allclose(fit.right, 3, rtol=0.02)
    np.testing.assert_allclose(fit.shape, 2, rtol=0.05)


def test_a_side_without_values_is_not_a_number():
    fit = fit_asymmetric(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]))
    assert np.isnan(fit.left).all()
    assert np.isnan(fit.right[0])
    assert fit.right[1] == pytest.approx(np.sqrt(14 / 3))
