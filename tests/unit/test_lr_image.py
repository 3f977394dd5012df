"""The LR image as it is read, with and without noise."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import photo, randn, small_denoiser

import linearsr.lr_image
import linearsr.scratch
from linearsr.lr_image import DenoisedImage, LRImage, automatic_share, denoised, denoised_batch, noise_strength

CPU = torch.device("cpu")
PHOTO = Path(__file__).parents[2] / "examples/chelsea.png"
SIZE = 500, 21


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_lr_image_is_padded_by_its_edges_and_read_in_rows(dtype, channels):
    pixels = photo(13, 11)[..., :channels]
    samples = (
        (pixels / 255).astype(dtype) if dtype == np.float32 else pixels.astype(dtype) * (np.iinfo(dtype).max // 255)
    )
    image = LRImage(samples, CPU)
    assert image.grid == (2, 2)
    whole = image.read(0, 16)
    expected = np.broadcast_to(pixels, (13, 11, 3)) / 127.5 - 1
    np.testing.assert_allclose(whole[0, :, :13, :11].permute(1, 2, 0), expected, atol=1e-6)
    assert torch.equal(whole[:, :, 13:], whole[:, :, 12:13].expand(-1, -1, 3, -1))
    assert torch.equal(whole[:, :, :, 11:], whole[:, :, :, 10:11].expand(-1, -1, -1, 5))
    for top, bottom in ((0, 5), (8, 16), (12, 13), (14, 16)):
        assert torch.equal(image.read(top, bottom), whole[:, :, top:bottom])


@pytest.fixture(scope="module")
def image():
    return LRImage(photo(*SIZE), CPU)


@pytest.fixture(scope="module")
def whole(image):
    """All rows without a share of their noise, from the network's own forward pass."""
    lr = image.read(0, 504)
    with torch.inference_mode():
        return lr.lerp(small_denoiser()(lr, torch.tensor([9.0])), 0.6).clamp(-1, 1)


def denoised_image(image):
    return DenoisedImage(image, small_denoiser(), 9.0, 0.6)


@pytest.mark.parametrize("first", ["top", "middle", "bottom"])
def test_denoised_rows_are_those_of_the_network_in_whatever_order_they_are_read(image, whole, first):
    assert (whole - image.read(0, 504)).abs().max() > 0.05, "there is something to compare"
    parts = {"top": [(0, 9), (5, 30), (100, 504)], "middle": [(200, 270), (190, 280), (3, 20)]}
    lr = denoised_image(image)
    for top, bottom in [*parts.get(first, [(495, 504)]), (0, 504)]:
        with torch.inference_mode():
            assert (lr.read(top, bottom) - whole[:, :, top:bottom]).abs().max() < 1e-4
    assert lr.grid == image.grid
    assert (lr.height, lr.width) == SIZE


def test_denoised_rows_may_lie_in_a_file(image, whole, monkeypatch):
    monkeypatch.setattr(linearsr.scratch, "FILE_ABOVE_BYTES", 0)
    with torch.inference_mode():
        assert (denoised_image(image).read(0, 504) - whole).abs().max() < 1e-4


def test_denoising_goes_on_where_memory_ran_out(image, whole, monkeypatch):
    made, calls = linearsr.lr_image.denoised_rows, []

    def scarce(*arguments, **options):
        calls.append(options["start"])
        rows = made(*arguments, **options)
        yield from itertools.islice(rows, 1 if len(calls) == 1 else None)
        raise torch.OutOfMemoryError

    monkeypatch.setattr(linearsr.lr_image, "denoised_rows", scarce)
    monkeypatch.setattr(linearsr.lr_image, "AUTO_TILE", 32)
    lr = denoised_image(image)
    with torch.inference_mode():
        with pytest.raises(torch.OutOfMemoryError):
            lr.read(0, 504)
        assert (lr.read(0, 504) - whole).abs().max() < 1e-4
    assert calls[0] == 0
    assert 0 < calls[1] < 504


def test_faint_noise_stays_and_strong_noise_goes():
    assert automatic_share(torch.tensor([0, 4, 6, 8, 40])).tolist() == [0, 0, 0.5, 1, 1]


def test_pictures_of_a_batch_are_denoised_each_by_its_own_noise():
    denoiser = small_denoiser()
    strengths = torch.tensor([1.0, 6.0, 20.0])
    denoiser.meter = torch.nn.Module()
    denoiser.meter.forward = lambda lr: strengths.log()
    lr = randn(3, 3, 16, 16).tanh() * 0.9
    result = denoised_batch(lr, denoiser)
    assert not result.requires_grad
    with torch.no_grad():
        full = denoiser(lr, strengths).clamp(-1, 1)
    torch.testing.assert_close(result, torch.stack((lr[0], (lr[1] + full[1]) / 2, full[2])))


def test_an_image_of_which_nothing_goes_is_left_as_it_is(image):
    assert denoised(image, None, None) is image
    assert denoised(image, small_denoiser(), 0) is image
    assert isinstance(denoised(image, small_denoiser(), 0.5), DenoisedImage)


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (65, 64), (127, 129), (700, 1500)])
def test_strength_is_measured_all_over_images_of_any_size(size):
    seen = []

    class Meter(torch.nn.Module):
        def forward(self, windows):
            assert windows.shape[2] <= 64
            assert windows.shape[3] <= 64
            seen.extend(windows)
            return torch.linspace(0, 2, len(windows))

    denoiser = small_denoiser()
    denoiser.meter = Meter()
    rows, columns = (max(1, min(8, -(-side // 8) * 8 // 64)) for side in size)
    assert noise_strength(LRImage(photo(*size), CPU), denoiser) >= 1
    assert len(seen) == rows * columns
