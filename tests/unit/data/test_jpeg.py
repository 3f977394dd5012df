from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from small_models import photo

from linearsr.data.jpeg import jpeg_roundtrip


def ours(pixels, quality):
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    return jpeg_roundtrip(x, quality)[0].permute(1, 2, 0).numpy() * 255


def pillow(pixels, quality):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(stream)).astype(np.float32)


@pytest.mark.parametrize("quality", [30, 49, 50, 75, 95, 100])
@pytest.mark.parametrize("size", [(96, 128), (61, 75)])
def test_looks_like_the_same_picture_coded_by_libjpeg(quality, size):
    pixels = photo(*size)
    reference = pillow(pixels, quality)
    apart = np.abs(ours(pixels, quality) - reference).mean()
    assert apart < 1.5
    assert apart < 0.5 * np.abs(reference - pixels).mean() or quality > 90, "nearer to libjpeg than to the original"


def test_loss_grows_as_quality_falls():
    pixels = photo(64, 64)
    losses = [np.abs(ours(pixels, quality) - pixels).mean() for quality in (98, 80, 50, 20, 5)]
    assert losses == sorted(losses)
    assert losses[0] < 3 < losses[-1]


@pytest.mark.parametrize("size", [(1, 1), (7, 17), (16, 32)])
def test_keeps_size_range_and_flat_colours(size):
    flat = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, *size)
    result = jpeg_roundtrip(flat, 90)
    assert result.shape == flat.shape
    assert (result - flat).abs().max() < 2.5 / 255
    extreme = (torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert 0 <= jpeg_roundtrip(extreme, 10).min() <= jpeg_roundtrip(extreme, 10).max() <= 1
