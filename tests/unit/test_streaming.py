"""R20 and what happens when memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import photo, small_denoiser, small_pipeline

import linearsr.models.decoding
import linearsr.scratch
import linearsr.streaming
from linearsr.errors import DeviceError, InputError
from linearsr.imaging.picture import Picture
from linearsr.request import UpscaleRequest

DRAW = np.random.default_rng(8)
SIZES_AND_TILES = [
    (int(DRAW.integers(1, 200)), int(DRAW.integers(1, 90)), int(DRAW.integers(32, 150))) for _ in "_" * 20
]


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def upscaled(pipe, height, width, **request):
    return pipe.upscale(Picture(color=photo(height, width)), UpscaleRequest(**request)).color.astype(int)


@pytest.mark.parametrize(("height", "width", "tile"), SIZES_AND_TILES)
def test_tiled_equals_untiled(pipe, height, width, tile):
    whole = upscaled(pipe, height, width, tile=0)
    assert np.abs(upscaled(pipe, height, width, tile=tile) - whole).max() <= 1
    assert whole.std() > 5, "there is something to compare"


def test_tiled_equals_untiled_without_noise():
    pipe = small_pipeline(denoiser=small_denoiser())
    whole = upscaled(pipe, 133, 40, tile=0, denoise=0.7)
    assert np.abs(upscaled(pipe, 133, 40, tile=32, denoise=0.7) - whole).max() <= 1
    assert np.abs(upscaled(pipe, 133, 40, tile=0, denoise=0) - whole).max() > 1


@pytest.mark.parametrize("fix", ["wavelet", "adain", "none"])
@pytest.mark.parametrize("scale", [1.7, 4, 5])
def test_tiled_equals_untiled_with_every_colour_fix_and_scale(pipe, fix, scale):
    whole = upscaled(pipe, 133, 40, tile=0, color_fix=fix, scale=scale)
    assert np.abs(upscaled(pipe, 133, 40, tile=32, color_fix=fix, scale=scale) - whole).max() <= 1


def test_latents_in_files_give_the_same(pipe, monkeypatch):
    expected = upscaled(pipe, 37, 41, tile=32, steps=3)
    monkeypatch.setattr(linearsr.scratch, "FILE_ABOVE_BYTES", 0)
    assert np.array_equal(upscaled(pipe, 37, 41, tile=32, steps=3), expected)


def fail(monkeypatch, name, times, error=torch.OutOfMemoryError):
    """Let a function of the streaming run out of memory a few times, in the middle of its work; return its calls."""
    function, calls = getattr(linearsr.streaming, name), []

    def scarce(*arguments, **options):
        calls.append(options["rows"])
        if len(calls) > times:
            return function(*arguments, **options)
        if name == "velocity_in_strips":
            raise error("DefaultCPUAllocator: can't allocate memory")
        return broken(function(*arguments, **options))

    def broken(pieces):
        if len(calls) % 2 == 0:
            yield next(pieces)
        raise error("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(linearsr.streaming, name, scarce)
    return calls


@pytest.mark.parametrize("name", ["velocity_in_strips", "decode_rows"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_strips_and_gives_the_same_picture(pipe, monkeypatch, name, times, error):
    normal = upscaled(pipe, 700, 16, tile=128)
    calls = fail(monkeypatch, name, times, error)
    assert np.abs(upscaled(pipe, 700, 16, tile=128) - normal).max() <= 1
    longest = 88 if name == "velocity_in_strips" else 704
    assert calls[: times + 1] == [longest, longest // 2, longest // 4, longest // 8][: times + 1]


@pytest.mark.parametrize("name", ["velocity_in_strips", "decode_rows"])
def test_out_of_memory_in_the_shortest_strips_is_a_device_error(pipe, monkeypatch, name):
    calls = fail(monkeypatch, name, 100)
    with pytest.raises(DeviceError, match="out of memory on cpu, even in the shortest strips"):
        upscaled(pipe, 300, 16)
    assert calls[-1] == 1


def test_another_error_is_not_taken_for_a_lack_of_memory(pipe, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr(linearsr.streaming, "velocity_in_strips", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        upscaled(pipe, 10, 10)


def test_an_image_with_fewer_rows_than_processes_is_refused(pipe):
    class TwentyProcesses:
        def band(self, rows):
            raise ValueError(f"an image of {rows} latent rows cannot be shared by 20 processes")

    with pytest.raises(InputError, match=r"2 latent rows cannot be shared by 20 .*one process"):
        pipe.stream(Picture(color=photo(10, 10)), UpscaleRequest(), peers=TwentyProcesses())


def test_no_grad_mode_leaks_out_of_an_unfinished_stream(pipe):
    strips = pipe.stream(Picture(color=photo(300, 16)), UpscaleRequest(tile=32))
    next(strips.rows)
    assert not torch.is_inference_mode_enabled()
    assert torch.ones(1, requires_grad=True).mul(2).requires_grad
