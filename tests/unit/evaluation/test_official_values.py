"""The metrics with their real weights, which the repository does not hold, on its example photo.

Run with LINEARSR_METRIC_WEIGHTS naming the folder that recipes/perceptual_weights.py writes. The values were measured
by implementations that share no code with this one and agree with the official calibration values
(docs/guide/evaluation.md).
"""

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from linearsr.evaluation.choice import choose_metrics

PHOTO = Path(__file__).parents[3] / "examples/chelsea.png"
WEIGHTS = os.environ.get("LINEARSR_METRIC_WEIGHTS")


@pytest.fixture(scope="module")
def pair():
    """The example photo, and the same with noise and every pixel of a coarser grid repeated."""
    with PIL.Image.open(PHOTO) as image:
        clean = np.asarray(image.convert("RGB"))[:288, :384]
    coarse = clean[::2, ::2].repeat(2, 0).repeat(2, 1).astype(int)
    pattern = np.add.outer(np.arange(288) * 7, np.arange(384) * 13) % 17 - 8
    return np.clip(coarse + pattern[..., None], 0, 255).astype(np.uint8), clean


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("psnr", 29.04478),
        ("psnr_rgb", 27.65433),
        ("ssim", 0.72708),
        ("ssim_rgb", 0.69963),
        ("ms_ssim", 0.94729),
        ("gmsd", 0.06844),
    ],
)
def test_metrics_without_weights(pair, name, value):
    (metric,) = choose_metrics([name], weights=None)
    assert metric.measure(*pair) == pytest.approx(value, abs=6e-6)


@pytest.mark.skipif(WEIGHTS is None, reason="LINEARSR_METRIC_WEIGHTS is not set")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lpips", 0.21698),
        ("lpips_vgg", 0.42812),
        ("dists", 0.30209),
        ("niqe", 9.19711),
        ("brisque", 46.55032),
    ],
)
def test_metrics_with_weights(pair, name, value):
    (metric,) = choose_metrics([name], weights=Path(str(WEIGHTS)))
    assert metric.measure(*pair) == pytest.approx(value, abs=2e-5)
