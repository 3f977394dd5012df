import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from small_models import photo

from linearsr.evaluation.fidelity import luma, ms_ssim, psnr, ssim


def pair(noise, size=(192, 200)):
    clean = photo(*size)
    noisy = np.clip(clean + np.random.default_rng(1).normal(0, noise, clean.shape), 0, 255).astype(np.uint8)
    return luma(clean), luma(noisy)


@pytest.mark.parametrize(
    ("rgb", "y"), [((0, 0, 0), 16), ((255, 255, 255), 235), ((255, 0, 0), 81.481), ((0, 255, 0), 144.553)]
)
def test_luma_is_bt601_in_studio_range(rgb, y):
    assert luma(np.array([[rgb]], np.uint8)).item() == pytest.approx(y)


def test_psnr_of_a_known_error():
    x = np.full((8, 8), 100.0)
    assert psnr(x, x + 5) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(x, x) == math.inf


def test_equal_images_are_fully_similar():
    x, _ = pair(0)
    assert ssim(x, x) == pytest.approx(1)
    assert ms_ssim(x, x) == pytest.approx(1)


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
