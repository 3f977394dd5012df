"""The LR image as it is read, with and without noise."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import torch
from compressed_photos import compressed
from small_models import changing_denoiser, photo, small_denoiser

import linearsr.lr_image
import linearsr.scratch
from linearsr.lr_image import DenoisedImage, LRImage, denoised, fitting_share
from linearsr.models.judging import LESS, MORE, NOTHING
from linearsr.pipeline import SRPipeline

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


@pytest.mark.parametrize(("change", "share"), [(3, 0), (9, 1)])
def test_what_there_is_to_take_out_decides_how_much_goes(image, change, share):
    found, told = fitting_share(image, changing_denoiser(change))
    assert found == pytest.approx(share)
    assert 10 * LESS <= told <= 10 * MORE


def test_the_denoiser_is_not_run_where_the_meter_finds_next_to_nothing(image):
    denoiser = changing_denoiser(9)
    denoiser.meter.forward = lambda lr: torch.full((len(lr),), math.log(NOTHING))
    denoiser.forward = denoiser.update = None
    assert fitting_share(image, denoiser) == (0, None)


def test_an_image_of_which_nothing_goes_is_left_as_it_is(image):
    assert fitting_share(image, None) == (0, None)
    assert denoised(image, None, 1.0) is image
    assert denoised(image, small_denoiser(), 0) is image
    assert isinstance(denoised(image, small_denoiser(), 0.5), DenoisedImage)


@pytest.mark.parametrize(("cleans", "told"), [(False, 9.0), (True, -9.0)])
def test_a_denoiser_that_cleans_is_asked_for_its_clean_answer(image, cleans, told):
    denoiser, lr = small_denoiser(), image.read(0, 504)
    denoiser.config = replace(denoiser.config, cleans=cleans)
    result = denoised(image, denoiser, 1.0, 9.0)
    assert result.strength == 9
    with torch.inference_mode():
        expected = denoiser(lr, torch.tensor([told])).clamp(-1, 1)
        torch.testing.assert_close(result.read(0, 504), expected, atol=1e-3, rtol=0)


def test_a_strength_that_is_known_is_not_measured_again(image):
    assert 10 * LESS <= denoised(image, changing_denoiser(9), 1.0).strength <= 10 * MORE
    denoiser = small_denoiser()
    denoiser.judge.forward = denoiser.meter.forward = None
    assert denoised(image, denoiser, 1.0, 17.0).strength == 17


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (65, 64), (127, 129), (700, 1500)])
def test_noise_is_judged_by_squares_all_over_images_of_any_size(size, monkeypatch):
    seen, denoiser = [], changing_denoiser(9)
    denoiser.meter.forward = lambda windows: seen.extend(windows) or torch.zeros(len(windows))
    assert fitting_share(LRImage(photo(*size), CPU), denoiser) == (0, None)
    rows, columns = (max(1, min(5, -(-side // 8) * 8 // 64)) for side in size)
    assert len(seen) == rows * columns
    assert {tuple(window.shape) for window in seen} == {(3, *(min(64, -(-side // 8) * 8) for side in size))}


@pytest.fixture(scope="module")
def sample_photo():
    """A real photo, reduced by plain averaging, so that it has next to no noise."""
    with PIL.Image.open(PHOTO) as image:
        return np.asarray(image.convert("RGB").reduce(2))


@pytest.fixture(scope="module")
def embedded():
    return SRPipeline.from_pretrained(device="cpu")


def noisy(pixels, sigma):
    noise = np.random.default_rng(5).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [8, 16, 24, 32])
def test_the_embedded_denoiser_takes_noise_out_and_leaves_the_photo(embedded, sample_photo, sigma):
    photo_with_noise = noisy(sample_photo, sigma)
    share, strength = fitting_share(LRImage(photo_with_noise, CPU), embedded.denoiser)
    assert share == 1
    lr = embedded.lr_image(photo_with_noise, share, strength)
    assert sigma / 1.6 < lr.strength < sigma * 1.6
    with torch.inference_mode():
        left = (lr.read(0, 8 * lr.grid[0]) - LRImage(sample_photo, CPU).read(0, 8 * lr.grid[0])) * 127.5
    assert left.square().mean().sqrt() < 0.7 * sigma


@pytest.mark.parametrize("sigma", [8, 16, 24])
def test_noise_is_measured_where_there_is_nothing_else_to_see(embedded, sigma):
    lr = embedded.lr_image(noisy(np.full((256, 256, 3), 128), sigma), 1.0)
    assert sigma / 1.3 < lr.strength / MORE < sigma * 1.3


def test_the_embedded_denoiser_leaves_a_clean_photo_as_it_is(embedded, sample_photo):
    share, _ = fitting_share(LRImage(sample_photo, CPU), embedded.denoiser)
    assert share == 0


@pytest.mark.parametrize("quality", [20, 40, 60, 80])
def test_blocks_are_taken_out_wherever_they_begin(embedded, sample_photo, quality):
    photo_with_blocks = np.asarray(compressed(PIL.Image.fromarray(sample_photo), quality))[3:, 5:]
    share, strength = fitting_share(LRImage(photo_with_blocks, CPU), embedded.denoiser)
    assert share == 1
    images = (
        embedded.lr_image(photo_with_blocks, share, strength),
        LRImage(photo_with_blocks, CPU),
        LRImage(sample_photo[3:, 5:], CPU),
    )
    with torch.inference_mode():
        lr, before, clean = (image.read(0, 8 * image.grid[0]) for image in images)
    assert (lr - clean).square().mean() < (before - clean).square().mean()


def test_good_jpeg_is_left_as_it_is(embedded, sample_photo):
    good = np.asarray(compressed(PIL.Image.fromarray(sample_photo), 93))
    assert fitting_share(LRImage(good, CPU), embedded.denoiser)[0] == 0


def test_letters_are_hardly_ever_taken_for_noise(embedded):
    lines = "\n".join(["The quick brown fox jumps over the lazy dog"] * 30)
    shares = []
    for size, (ground, ink) in itertools.product(
        (8, 10, 12, 16, 24), (("white", "black"), ("black", "white"), ("wheat", "navy"))
    ):
        page = PIL.Image.new("RGB", (256, 256), ground)
        PIL.ImageDraw.Draw(page).text((4, 4), lines, fill=ink, font_size=size)
        shares.append(fitting_share(LRImage(np.asarray(page), CPU), embedded.denoiser)[0])
    assert sum(share > 0 for share in shares) <= 1, shares


def test_the_share_that_went_comes_with_the_result(embedded, sample_photo):
    output = embedded([sample_photo, noisy(sample_photo, 24)])
    assert output.denoised == [0, 1]
    assert embedded(sample_photo, denoise=0.5).denoised == [0.5]
