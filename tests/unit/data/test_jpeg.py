from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from small_models import photo

from linearsr.data.canvas import Canvas
from linearsr.data.jpeg import jpeg_roundtrip


def tensor(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def ours(pictures, qualities):
    canvas = jpeg_roundtrip(Canvas.of([tensor(p) for p in pictures]), torch.tensor(qualities, dtype=torch.float32))
    return [picture.permute(1, 2, 0).numpy() * 255 for picture in canvas.pictures()]


def pillow(pixels, quality):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(stream)).astype(np.float32)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a - b) ** 2))


@pytest.mark.parametrize("quality", [30, 49, 50, 75, 95, 100])
@pytest.mark.parametrize("size", [(96, 128), (61, 75)])
def test_agrees_with_libjpeg(quality, size):
    pixels = photo(*size)
    reference = pillow(pixels, quality)
    (result,) = ours([pixels], [quality])
    assert psnr(result, reference) > 42
    # The loss itself is the same: both are as far from the original.
    assert psnr(result, pixels) == pytest.approx(psnr(reference, pixels), abs=1 if quality == 100 else 0.3)


def test_pictures_of_different_size_and_quality_are_coded_as_if_alone():
    pictures = [photo(61, 75), photo(16, 16, 1), photo(48, 90, 2)]
    together = ours(pictures, [40, 75, 95])
    for picture, quality, result in zip(pictures, (40, 75, 95), together, strict=True):
        assert np.array_equal(ours([picture], [quality])[0], result)


def test_loss_grows_as_quality_falls():
    pixels = photo(64, 64)
    losses = [np.abs(ours([pixels], [quality])[0] - pixels).mean() for quality in (98, 80, 50, 20, 5)]
    assert losses == sorted(losses)
    assert losses[0] < 3 < losses[-1]


@pytest.mark.parametrize("size", [(1, 1), (7, 17), (16, 32)])
def test_keeps_size_range_and_flat_colours(size):
    flat = np.broadcast_to(np.array([51, 127, 204], np.uint8), (*size, 3)).copy()
    (result,) = ours([flat], [90])
    assert result.shape == flat.shape
    assert np.abs(result - flat).max() < 2.5
    extreme = (np.random.default_rng(0).random((*size, 3)) > 0.5).astype(np.uint8) * 255
    (result,) = ours([extreme], [10])
    assert 0 <= result.min() <= result.max() <= 255
