"""Reading JPEG's quality off the pixels of a picture, wherever its grid begins."""

from __future__ import annotations

import pytest
import torch
from compressed_photos import compressed, photo, tensor
from PIL import Image
from small_models import randn

from linearsr.jpeg_standard import step_scale
from linearsr.models.jpeg_traces import QUALITIES, jpeg_quality


def same_steps(found, quality):
    """Whether both round to about the same: libjpeg's tables of neighbouring qualities are partly equal."""
    return found is not None and step_scale(found) == pytest.approx(step_scale(quality), rel=0.12)


@pytest.mark.parametrize("quality", range(15, 91, 5))
def test_the_quality_is_found(quality):
    assert same_steps(jpeg_quality(tensor(compressed(photo(), quality))), quality)


@pytest.mark.parametrize(("left", "top"), [(1, 0), (0, 7), (3, 5), (4, 4)])
def test_the_grid_may_begin_anywhere(left, top):
    cropped = compressed(photo(), 60).crop((left, top, left + 72, top + 64))
    assert same_steps(jpeg_quality(tensor(cropped)), 60)


def test_it_is_found_in_a_crop_of_few_blocks_turned_and_mirrored():
    crop = tensor(compressed(photo(), 50).crop((33, 18, 81, 66)))
    for turns in range(4):
        assert same_steps(jpeg_quality(torch.rot90(crop, turns, (-2, -1)).flip(-1)), 50)


def test_squares_of_one_picture_are_read_together():
    squares = torch.cat([tensor(compressed(photo(), 70))[..., top : top + 32, 8:40] for top in (0, 24, 64)])
    assert same_steps(jpeg_quality(squares), 70)


def test_the_last_of_two_compressions_is_found_where_it_is_the_coarser():
    twice = compressed(compressed(photo(), 80).crop((3, 2, 91, 90)), 30)
    assert same_steps(jpeg_quality(tensor(twice)), 30)


def test_grey_pictures_have_traces_too():
    assert same_steps(jpeg_quality(tensor(compressed(photo().convert("L"), 40))), 40)


@pytest.mark.parametrize("side", [32, 64, 96])
def test_nothing_is_found_in_a_picture_that_was_never_compressed(side):
    assert jpeg_quality(tensor(photo(side))) is None


def test_nothing_is_found_where_there_is_nothing_to_find():
    grey = torch.zeros(1, 3, 64, 64)
    assert jpeg_quality(grey) is None
    assert jpeg_quality(randn(1, 3, 96, 96) * 0.3) is None
    assert jpeg_quality(torch.full_like(grey, torch.nan)) is None


@pytest.mark.parametrize("cell", [2, 3, 4, 8, 10, 16])
def test_drawings_that_repeat_are_not_taken_for_it(cell):
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    stripes = (columns // cell % 2) * 2.0 - 1
    checks = ((rows + columns) // cell % 2) * 2.0 - 1
    codes = (randn(1, 1, 128 // cell + 1, 128 // cell + 1) > 0) * 2.0 - 1
    modules = codes.repeat_interleave(cell, 2).repeat_interleave(cell, 3)[0, 0, :128, :128]
    slope = columns / 64 - 1
    for drawing in (stripes, checks, modules, slope):
        assert jpeg_quality(drawing.expand(1, 3, 128, 128)) is None


def test_a_picture_that_was_resized_since_has_none():
    resized = compressed(photo(), 50).resize((80, 80), Image.Resampling.BICUBIC)
    assert jpeg_quality(tensor(resized)) is None


@pytest.mark.parametrize("shape", [(15, 200), (200, 15), (8, 8), (1, 1)])
def test_a_picture_narrower_than_two_blocks_is_not_read(shape):
    assert jpeg_quality(torch.zeros(1, 3, *shape)) is None


def test_the_smallest_that_is_read():
    assert jpeg_quality(tensor(compressed(photo(16), 50))) in (None, *QUALITIES)


def test_steps_go_as_libjpegs_do():
    assert [step_scale(quality) for quality in (10, 25, 50, 75, 90)] == [5, 2, 1, 0.5, pytest.approx(0.2)]
