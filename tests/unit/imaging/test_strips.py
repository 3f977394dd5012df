import numpy as np
import pytest
from imaging_samples import noise

from linearsr.imaging.picture import Metadata, Picture
from linearsr.imaging.strips import STRIP_ROWS, cut


def picture(*, channels=3, alpha=True, dtype=np.uint8, height=2 * STRIP_ROWS + 5):
    return Picture(
        color=noise(height, 6, channels, dtype=dtype),
        alpha=noise(height, 6, dtype=dtype, seed=1) if alpha else None,
        metadata=Metadata(exif=b"e"),
        source_format="jpg",
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_cut_is_gathered_again(channels, alpha, dtype):
    source = picture(channels=channels, alpha=alpha, dtype=dtype)
    strips = cut(source)
    assert strips.channels == channels + alpha
    assert strips.row_bytes == 6 * strips.channels * source.depth // 8
    back = strips.gather()
    assert np.array_equal(back.color, source.color)
    assert (back.alpha is None) == (not alpha)
    if alpha:
        assert np.array_equal(back.alpha, source.alpha)
    assert (back.metadata, back.source_format, back.depth) == (source.metadata, "jpg", source.depth)


def test_strips_are_short_and_add_up():
    heights = [len(rows) for rows in cut(picture()).rows]
    assert heights == [STRIP_ROWS, STRIP_ROWS, 5]


def test_mapped_strips_change_what_they_say_and_compute_nothing_before_they_are_read():
    calls = []

    def darken(rows):
        calls.append(len(rows))
        return rows[..., :3] // 2

    source = picture()
    mapped = cut(source).map(darken, has_alpha=False)
    assert calls == []
    result = mapped.gather()
    assert np.array_equal(result.color, source.color // 2)
    assert result.alpha is None
    assert sum(calls) == source.height


def test_missing_rows_are_noticed():
    strips = cut(picture())
    next(strips.rows)
    with pytest.raises(AssertionError, match="add up"):
        strips.gather()
