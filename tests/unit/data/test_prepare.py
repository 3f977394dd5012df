from __future__ import annotations

import numpy as np
import pytest
from small_models import photo

from linearsr.data.prepare import BuildOptions, Prepared, prepare, texture_score
from linearsr.errors import ConfigError, ImageError
from linearsr.imaging.codec import decode_rgb8


@pytest.fixture
def picture(tmp_path, png):
    """Write pixels to a file."""

    def write(pixels):
        path = tmp_path / "a.png"
        path.write_bytes(png(pixels))
        return path

    return write


def prepared(path, **options):
    result = prepare(path, BuildOptions(**{"min_side": 32} | options))
    assert isinstance(result, Prepared)
    return result


def test_a_photo_is_kept_whole_without_a_crop(picture):
    (crop,) = prepared(picture(photo(50, 70))).crops
    assert decode_rgb8(crop.payload).shape == (50, 70, 3)
    assert crop.side == 50
    assert np.abs(decode_rgb8(crop.payload).astype(int) - photo(50, 70)).mean() < 6


def test_crops_are_the_most_textured_squares_best_first(picture):
    pixels = np.full((64, 100, 3), 128, np.uint8)
    pixels[32:, 66:98] = photo(32, 32)
    pixels[:32, 2:34] = photo(32, 32) // 2
    crops = prepared(picture(pixels), crop=32, crops=3).crops
    shown = [decode_rgb8(crop.payload).astype(int) for crop in crops]
    assert [image.shape for image in shown] == [(32, 32, 3)] * 3
    assert np.abs(shown[0] - photo(32, 32)).mean() < 8
    assert np.abs(shown[1] - photo(32, 32) // 2).mean() < 8
    assert [crop.texture for crop in crops] == sorted((crop.texture for crop in crops), reverse=True)
    assert crops[2].texture == 0


def test_a_photo_is_reduced_before_it_is_measured(picture):
    (crop,) = prepared(picture(photo(100, 140)), reduce=0.5, min_side=50).crops
    assert decode_rgb8(crop.payload).shape == (50, 70, 3)
    assert prepared(picture(photo(98, 140)), reduce=0.5, min_side=50).crops == ()


def test_photos_smaller_than_the_crop_give_none(picture):
    assert prepared(picture(photo(40, 90)), crop=64).crops == ()


def test_a_photo_that_cannot_be_read_or_packed_is_an_error_result(tmp_path, picture):
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert isinstance(prepare(tmp_path / "bad.png", BuildOptions()), ImageError)
    result = prepare(picture(np.zeros((17, 16400, 3), np.uint8)), BuildOptions(min_side=16))
    assert "webp cannot hold 16400x17" in str(result)


def test_texture_is_the_sum_of_the_mean_steps_between_neighbours():
    ramp = np.zeros((8, 8, 3), np.uint8) + np.arange(0, 80, 10, dtype=np.uint8)[:, None]
    assert texture_score(ramp) == pytest.approx(10)
    assert texture_score(ramp + ramp.transpose(1, 0, 2)) == pytest.approx(20)
    assert texture_score(np.zeros((1, 1, 3), np.uint8)) == 0


def test_a_lower_quality_takes_less_room(picture):
    path = picture(photo(64, 64))
    sizes = [len(prepared(path, quality=quality).crops[0].payload) for quality in (30, 95)]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_side": 0}, "min_side 0"),
        ({"crop": -1}, "crop -1"),
        ({"crops": 0}, "crops 0"),
        ({"reduce": 0}, "at most 1, not 0"),
        ({"reduce": 1.5}, r"at most 1, not 1\.5"),
    ],
)
def test_impossible_options_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        BuildOptions(**change)
