from __future__ import annotations

import numpy as np
import pytest
from small_models import photo

from linearsr.data.photo import PhotoFile, is_validation
from linearsr.errors import ImageError


def test_a_file_is_decoded_upright_when_it_is_asked_for(png):
    from PIL import Image

    pixels = photo(8, 12)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = PhotoFile(key="a", validation=True, read=lambda: png(pixels, exif=exif))
    decoded = file.decode()
    assert (decoded.key, decoded.validation) == ("a", True)
    assert np.array_equal(decoded.pixels, np.rot90(pixels, -1))


def test_a_damaged_file_is_named(png):
    file = PhotoFile(key="holiday/a.png", validation=False, read=lambda: png(photo(16, 16))[:60])
    with pytest.raises(ImageError, match=r"photo holiday/a\.png: the PNG is damaged"):
        file.decode()


def test_validation_is_a_fixed_few_percent():
    assert 0.02 < sum(is_validation(f"photo-{number}") for number in range(5000)) / 5000 < 0.04
