from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.data.duplicates import Duplicates, fingerprint


def scene(seed, size=(160, 240)):
    """Large shapes, as photos have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(PIL.Image.fromarray(coarse).resize(size[::-1], PIL.Image.Resampling.BICUBIC))


def resaved(pixels, tmp_path, *, size=None, quality=70):
    image = PIL.Image.fromarray(pixels)
    if size is not None:
        image = image.resize(size)
    image.save(tmp_path / "again.jpg", quality=quality)
    with PIL.Image.open(tmp_path / "again.jpg") as again:
        return np.asarray(again)


def test_equal_pixels_are_a_duplicate():
    duplicates = Duplicates()
    assert duplicates.find(fingerprint(scene(0))) is None
    assert duplicates.find(fingerprint(scene(0).copy())) == "duplicate"


@pytest.mark.parametrize("change", [{"quality": 40}, {"size": (120, 80)}, {"size": (480, 320), "quality": 90}])
def test_the_same_picture_in_another_coding_or_size_is_near(tmp_path, change):
    duplicates = Duplicates()
    for seed in range(20):
        duplicates.find(fingerprint(scene(seed)))
    assert duplicates.find(fingerprint(resaved(scene(7), tmp_path, **change))) == "near duplicate"


def test_different_pictures_are_kept_however_many():
    duplicates = Duplicates()
    found = [duplicates.find(fingerprint(scene(seed, (48, 64)))) for seed in range(1100)]
    assert found == [None] * 1100
    assert duplicates.find(fingerprint(scene(1099, (48, 64)))) == "duplicate"


def test_flat_pictures_are_compared_by_their_pixels_only():
    duplicates = Duplicates()
    grays = [np.full((64, 64, 3), level, np.uint8) for level in (100, 101, 100)]
    assert [duplicates.find(fingerprint(gray)) for gray in grays] == [None, None, "duplicate"]


def test_size_belongs_to_the_content():
    flat = np.zeros((8, 2, 3), np.uint8)
    assert fingerprint(flat).content != fingerprint(flat.reshape(2, 8, 3)).content
    assert fingerprint(photo(8, 8)).content == fingerprint(photo(8, 8)).content
