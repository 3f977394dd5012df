import numpy as np
import pytest
from imaging_samples import noise

from linearsr.imaging.picture import Picture
from linearsr.imaging.resize import AlphaRows, RowResizer, resize

SIDES = (1, 2, 3, 8, 17, 50)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (1, 9, 1), (9, 1, 2), (5, 7, 3), (4, 4, 4)], ids=str)
def test_the_size_asked_for_is_the_size_that_comes(shape, dtype):
    samples = noise(*shape, dtype=dtype)
    for width in SIDES:
        for height in SIDES:
            resized = resize(samples, width, height)
            assert (resized.shape, resized.dtype) == ((height, width, *shape[2:]), dtype)


def test_the_same_size_is_the_same_array():
    samples = noise(5, 7, 3)
    assert resize(samples, 7, 5) is samples


def lanczos(old: int, new: int) -> np.ndarray:
    """(new, old) weights of a Lanczos filter of three lobes, widened when shrinking."""
    distance = (np.arange(old) + 0.5) - (np.arange(new)[:, None] + 0.5) * old / new
    distance /= max(old / new, 1)
    weights = np.sinc(distance) * np.sinc(distance / 3) * (np.abs(distance) < 3)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(28, 20), (9, 13), (3, 2), (14, 5), (1, 1)], ids=str)
def test_the_filter_is_lanczos_and_nothing_is_clipped_before_the_end(size, dtype):
    samples = noise(5, 7, 3, dtype=dtype)
    exact = np.einsum("ih,hwc,jw->ijc", lanczos(5, size[1]), samples.astype(float), lanczos(7, size[0]))
    expected = np.clip(np.round(exact), 0, np.iinfo(dtype).max)
    assert np.abs(resize(samples, *size) - expected).max() <= 1


@pytest.mark.parametrize("width", [16, 30, 57, 128, 131, 256])
def test_nothing_is_shifted(width):
    """A ramp keeps its place: pixel centres stay where they were, to a tenth of an input pixel."""
    ramp = np.tile((np.arange(64) * 100 + 5000).astype(np.uint16), (3, 1))
    expected = ((np.arange(width) + 0.5) * 64 / width - 0.5) * 100 + 5000
    inner = slice(width // 8, -width // 8)
    assert np.abs(resize(ramp, width, 3)[1] - expected)[inner].max() < 10


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(64, 64), (23, 29), (7, 5)], ids=str)
def test_black_and_white_overshoot_is_clipped_and_does_not_wrap(size, dtype):
    full = np.iinfo(dtype).max
    step = np.zeros((16, 16), dtype)
    step[:, 8:] = full
    resized = resize(step, *size).astype(float) / full
    third = size[0] // 3
    assert resized[:, :third].max() < 0.1
    assert resized[:, -third:].min() > 0.9


@pytest.mark.parametrize("value", [0, 1, 32768, 65534, 65535])
def test_a_flat_picture_stays_flat(value):
    samples = np.full((5, 7, 3), value, np.uint16)
    for size in ((20, 28), (3, 2), (11, 5)):
        assert (resize(samples, *size) == value).all()


def test_16_bit_steps_are_resolved():
    ramp = np.tile(np.linspace(30_000, 30_100, 50).astype(np.uint16), (4, 1))
    assert len(np.unique(resize(ramp, 200, 16))) > 90


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(31, 17), (7, 90), (90, 41), (31, 40), (5, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("step", [1, 7, 100])
def test_rows_one_after_the_other_give_what_the_whole_gives(size, step, dtype):
    samples = noise(40, 31, 2, dtype=dtype)
    resizer = RowResizer((31, 40), size)
    rows = [resizer.push(samples[top : top + step]) for top in range(0, 40, step)]
    difference = np.abs(np.concatenate(rows).astype(int) - resize(samples, *size).astype(int))
    assert difference.max() <= 1
    if step == 1 and size[1] == 90:
        assert sum(len(part) > 0 for part in rows) > 10, "rows come as they are made"


@pytest.mark.parametrize(("dtype", "depth"), [(np.uint8, 8), (np.uint8, 16), (np.uint16, 8)])
def test_alpha_rows_are_the_resized_alpha_in_the_depth_asked_for(dtype, depth):
    alpha = noise(150, 9, dtype=dtype)
    rows = AlphaRows(Picture(color=noise(150, 9, 1, dtype=dtype), alpha=alpha), depth, (18, 300))
    parts = [rows.take(count) for count in (0, 1, 130, 169)]
    assert [len(part) for part in parts] == [0, 1, 130, 169]
    whole = resize(alpha, 18, 300)
    expected = whole / np.iinfo(dtype).max * (2**depth - 1)
    assert np.abs(np.concatenate(parts)[..., 0] - expected).max() <= 1 + (2**depth - 1) / np.iinfo(dtype).max
