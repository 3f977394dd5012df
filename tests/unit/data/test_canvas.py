from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from linearsr.data.canvas import Canvas
from linearsr.data.draws import Draws
from linearsr.data.kernels import TAPS, blur_kernels
from linearsr.data.presets import DegradationStage

SIZES = [(40, 30), (25, 50), (50, 50)]


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, *size, generator=generator) for size in SIZES]


def test_pictures_come_back_as_they_were_put(pictures):
    canvas = Canvas.of(pictures)
    assert canvas.pixels.shape == (3, 3, 50, 50)
    assert canvas.sizes == tuple(SIZES)
    assert all(torch.equal(a, b) for a, b in zip(canvas.pictures(), pictures, strict=True))


def test_pictures_are_mirrored_at_their_own_edges(pictures):
    extended = Canvas.of(pictures).reflected(10)
    for own, picture in zip(extended, pictures, strict=True):
        height, width = picture.shape[-2:]
        expected = F.pad(picture[None], (10,) * 4, mode="reflect")[0]
        assert torch.equal(own[:, : height + 20, : width + 20], expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3)])
def test_small_pictures_are_mirrored_again_and_again(size):
    picture = torch.arange(float(size[0] * size[1])).view(1, *size)
    (extended,) = Canvas.of([picture]).reflected(10)
    period = [max(1, 2 * (side - 1)) for side in size]
    torch.testing.assert_close(extended[:, : 21 - period[0]], extended[:, period[0] : 21])
    assert set(extended.flatten().tolist()) == set(picture.flatten().tolist())


def test_pictures_repeat_their_last_row_and_column(pictures):
    extended = Canvas.of(pictures).repeated(16)
    assert extended.shape[-2:] == (64, 64)
    for own, picture in zip(extended, pictures, strict=True):
        height, width = picture.shape[-2:]
        expected = F.pad(picture[None], (0, 64 - width, 0, 64 - height), mode="replicate")[0]
        assert torch.equal(own, expected)


def test_filtering_is_a_convolution_of_each_picture_with_its_own_kernel(pictures):
    kernels = blur_kernels(Draws([1, 2, 3]), DegradationStage(kernel_sigma=(1, 3)))
    filtered = Canvas.of(pictures).filtered(kernels).pictures()
    for own, picture, kernel in zip(filtered, pictures, kernels, strict=True):
        padded = F.pad(picture[None], (TAPS // 2,) * 4, mode="reflect")
        expected = F.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)[0]
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=0)


def test_kernels_that_change_nothing_cost_nothing(pictures):
    canvas = Canvas.of(pictures)
    assert canvas.filtered(blur_kernels(Draws([1, 2, 3]), DegradationStage(blur_probability=0))) is canvas
