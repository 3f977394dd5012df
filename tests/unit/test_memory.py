import pytest

from linearsr.memory import AUTO_TILE, BASE_BYTES, WHOLE_LIMIT, choose_tile, estimate_peak_memory


@pytest.mark.parametrize(
    ("width", "height", "tile", "expected"),
    [
        (64, 64, None, 0),
        (752, 752, None, 0),
        (WHOLE_LIMIT, 1, None, 0),
        (753, 752, None, AUTO_TILE),
        (9000, 9000, 0, 0),
        (9000, 9000, 128, 128),
        (10, 10, 128, 128),
    ],
)
def test_the_tile_is_the_one_asked_for_or_fits_the_size(width, height, tile, expected):
    assert choose_tile(width, height, tile) == expected


def test_the_estimate_grows_with_the_image_and_never_falls_below_the_base():
    sizes = [estimate_peak_memory(side, side, tile=0) for side in (1, 64, 256, 1024)]
    assert sizes[0] > BASE_BYTES
    assert sizes == sorted(set(sizes))


def test_tiling_lowers_the_estimate_of_a_large_image_and_leaves_a_small_one():
    assert (
        estimate_peak_memory(4000, 4000, tile=128)
        < estimate_peak_memory(4000, 4000)
        < estimate_peak_memory(4000, 4000, tile=0)
    )
    assert estimate_peak_memory(100, 50, tile=512) == estimate_peak_memory(100, 50, tile=0)


def test_a_strip_counts_only_the_pixels_it_has():
    assert estimate_peak_memory(2000, 10, tile=512) < estimate_peak_memory(700, 700, tile=512)
