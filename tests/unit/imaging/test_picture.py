import numpy as np
import pytest
from imaging_samples import noise

from linearsr.imaging.picture import Metadata, Picture, from_unit, to_unit

FULL = Metadata(icc=b"icc", exif=b"exif", xmp=b"xmp", resolution=(2.0, 3.0))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("keep", FULL),
        ("icc-only", Metadata(icc=b"icc", resolution=(2.0, 3.0))),
        ("strip", Metadata(resolution=(2.0, 3.0))),
    ],
)
def test_metadata_is_reduced_to_what_was_asked_for(mode, expected):
    assert FULL.reduced(mode) == expected


@pytest.mark.parametrize(("dtype", "depth"), [(np.uint8, 8), (np.uint16, 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_tells_its_size_depth_and_kind(dtype, depth, channels):
    picture = Picture(color=noise(2, 5, channels, dtype=dtype))
    assert (picture.width, picture.height, picture.depth, picture.is_gray) == (5, 2, depth, channels == 1)
    assert picture.source_format == "png"


@pytest.mark.parametrize(("dtype", "depth"), [(np.uint8, 8), (np.uint16, 16)])
def test_every_sample_value_survives_the_way_to_float_and_back(dtype, depth):
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    unit = to_unit(values)
    assert unit.dtype == np.float32
    assert (unit[0], unit[-1]) == (0, 1)
    assert (from_unit(unit, depth) == values).all()


def test_values_out_of_range_are_clipped_and_not_wrapped():
    assert from_unit(np.array([-1, -1e-9, 0.5, 1.0001, 9]), 8).tolist() == [0, 0, 128, 255, 255]
    assert from_unit(np.array([-1, 2]), 16).tolist() == [0, 65535]
