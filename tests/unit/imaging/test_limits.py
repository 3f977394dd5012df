import pytest

from linearsr.errors import ImageError, ImageTooLargeError
from linearsr.imaging.limits import CLI_LIMITS, SERVER_LIMITS, Limits

SMALL = Limits(max_input_pixels=100, max_output_pixels=200, max_side=50)


def test_the_promised_limits_are_the_ones_in_force():
    assert (CLI_LIMITS.max_input_pixels, CLI_LIMITS.max_output_pixels) == (89_478_485, 268_402_689)
    assert (SERVER_LIMITS.max_input_pixels, SERVER_LIMITS.max_output_pixels) == (16_777_216, 268_402_689)
    assert CLI_LIMITS.max_side == SERVER_LIMITS.max_side == 65_500


@pytest.mark.parametrize(("width", "height"), [(10, 10), (50, 2), (2, 50), (1, 1)])
def test_an_input_at_the_limit_is_accepted(width, height):
    SMALL.check_input(width, height, 1)


@pytest.mark.parametrize(
    ("width", "height", "named"),
    [(101, 1, "101"), (1, 51, "51"), (51, 1, "51"), (11, 10, "11x10 is 110 pixels, over the limit of 100")],
)
def test_an_input_over_the_limit_is_refused_naming_the_size(width, height, named):
    with pytest.raises(ImageTooLargeError, match=named) as caught:
        SMALL.check_input(width, height, 1)
    assert "crop or split" in caught.value.remedy


def test_more_than_one_frame_is_refused_naming_the_count():
    with pytest.raises(ImageError, match="7 frames or pages"):
        SMALL.check_input(1, 1, 7)


@pytest.mark.parametrize(("width", "height"), [(20, 10), (50, 4), (4, 50)])
def test_an_output_at_the_limit_is_accepted(width, height):
    SMALL.check_output(width, height)


@pytest.mark.parametrize(
    ("width", "height", "named"), [(21, 10, "21x10"), (51, 1, "side of 51"), (1, 51, "side of 51")]
)
def test_an_output_over_the_limit_is_refused_naming_the_size(width, height, named):
    with pytest.raises(ImageTooLargeError, match=named) as caught:
        SMALL.check_output(width, height)
    assert "--scale" in caught.value.remedy
