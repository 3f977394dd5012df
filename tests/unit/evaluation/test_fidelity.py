import math

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter
from small_models import photo

from linearsr.evaluation.fidelity import gmsd, ms_ssim, psnr, ssim
from linearsr.evaluation.luma import studio_luma


def pair(noise, size=(192, 200)):
    clean = photo(*size)
    noisy = np.clip(clean + np.random.default_rng(1).normal(0, noise, clean.shape), 0, 255).astype(np.uint8)
    return studio_luma(clean), studio_luma(noisy)


def test_psnr_of_a_known_error():
    x = np.full((8, 8), 100.0)
    assert psnr(x, x + 5) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(x, x) == math.inf


def test_equal_images_are_fully_similar():
    x, _ = pair(0)
    assert ssim(x, x) == pytest.approx(1)
    assert ms_ssim(x, x) == pytest.approx(1)
    assert gmsd(x, x) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("score", [psnr, ssim, ms_ssim])
def test_more_noise_scores_worse(score):
    values = [score(*pair(noise)) for noise in (2, 8, 32)]
    assert values == sorted(values, reverse=True)


def test_ssim_is_that_of_scipy_filters():
    """An independent computation: Gaussian windows cut off at 11 pixels, only where they fit inside."""
    x, y = pair(12)

    def mean(plane):
        return gaussian_filter(plane, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, c = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 6.5025, 58.5225
    expected = ((2 * mx * my + c1) * (2 * c + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    assert ssim(x, y) == pytest.approx(expected, abs=1e-6)


def test_ms_ssim_forgives_fine_noise_more_than_ssim_does():
    x, y = pair(20)
    assert ms_ssim(x, y) > ssim(x, y)


@pytest.mark.parametrize("size", [(40, 60), (41, 61)])
def test_gmsd_is_that_of_scipy_filters(size):
    """An independent computation, for even and odd sides."""
    x, y = pair(12, size)
    prewitt = np.array([[1, 0, -1]] * 3) / 3

    def gradient(plane):
        padded = np.pad(plane, [(0, side % 2) for side in plane.shape])
        half = (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / 4
        return np.hypot(*(convolve(half, kernel, mode="constant") for kernel in (prewitt, prewitt.T)))

    a, b = gradient(x), gradient(y)
    assert gmsd(x, y) == pytest.approx(((2 * a * b + 170) / (a * a + b * b + 170)).std(ddof=1), abs=1e-12)
    assert gmsd(x, y) > 0.01
