"""Laws of pictures, files and sizes that hold whatever the input."""

import contextlib
import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from linearsr.errors import ImageError, LinearSRError
from linearsr.files import fit
from linearsr.imaging.codec import decode
from linearsr.imaging.convert import to_picture, to_pil
from linearsr.imaging.encoder import encode
from linearsr.imaging.formats import OUTPUTS
from linearsr.imaging.limits import CLI_LIMITS
from linearsr.imaging.picture import Picture, from_unit
from linearsr.imaging.resize import resize
from linearsr.imaging.strips import cut
from linearsr.request import UpscaleRequest

laws = settings(max_examples=60, deadline=None, database=None)
sides = st.integers(1, 12)
depths = st.sampled_from([np.uint8, np.uint16])


@st.composite
def pictures(draw) -> Picture:
    dtype, height, width, channels = draw(depths), draw(sides), draw(sides), draw(st.sampled_from([1, 3]))
    color = draw(arrays.arrays(dtype, (height, width, channels)))
    return Picture(color=color, alpha=draw(st.none() | arrays.arrays(dtype, (height, width))))


def fitted_to(picture: Picture, name: str) -> Picture:
    return fit(cut(picture), OUTPUTS[name]).gather()


def same(one: Picture, other: Picture) -> bool:
    alphas = (one.alpha is None) == (other.alpha is None) and (one.alpha is None or (one.alpha == other.alpha).all())
    return one.color.dtype == other.color.dtype and np.array_equal(one.color, other.color) and bool(alphas)


@laws
@given(pictures(), st.sampled_from(["png", "tiff"]))
def test_a_lossless_file_gives_the_picture_back(picture, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(decode(encode(fitted_to(picture, name), OUTPUTS[name])), picture)


@laws
@given(pictures(), st.sampled_from(sorted(OUTPUTS)))
def test_what_was_fitted_can_be_encoded_and_fits_without_further_loss(picture, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = fitted_to(picture, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(fitted_to(fitted, name), fitted)
        decoded = decode(encode(fitted, OUTPUTS[name]))
    assert (decoded.width, decoded.height, decoded.depth) == (picture.width, picture.height, fitted.depth)


@laws
@given(pictures(), sides, sides)
def test_resizing_gives_the_size_and_commutes_with_mirroring(picture, width, height):
    resized = resize(picture.color, width, height)
    mirrored = resize(picture.color[::-1, ::-1], width, height)[::-1, ::-1]
    assert resized.shape == (height, width, picture.color.shape[2])
    assert np.abs(resized.astype(int) - mirrored).max() <= 1


@laws
@given(pictures())
def test_an_8_bit_picture_survives_pillow_and_back(picture):
    back = to_picture(to_pil(picture))
    assert same(back, picture) or picture.depth == 16
    assert same(to_picture(to_pil(back)), back)


@laws
@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-2, 3, width=32)), st.sampled_from([8, 16]))
def test_float_values_are_clipped_and_rounded_to_the_nearest_sample(values, depth):
    full = 2**depth - 1
    off = np.abs(from_unit(values, depth) / full - values.astype(float).clip(0, 1)).max() * full
    assert off <= 0.503  # half a sample, and what float32 rounds at 65,535


lengths = st.integers(1, 65_500)


@laws
@given(st.floats(0.05, 64), st.none() | lengths, st.none() | lengths, st.none() | lengths, lengths, lengths)
def test_an_output_size_is_positive_capped_and_keeps_the_proportions(scale, width, height, cap, old_w, old_h):
    request = UpscaleRequest(scale=scale, width=width, height=height, max_side=cap)
    new_w, new_h = request.output_size(old_w, old_h)
    assert min(new_w, new_h) >= 1
    assert cap is None or max(new_w, new_h) <= cap
    if width is None or height is None:
        assert abs(new_w * old_h - new_h * old_w) <= old_w + old_h  # both sides rounded, or raised to 1


@laws
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 3))
def test_the_limits_agree_with_their_numbers(width, height, frames):
    fits = frames == 1 and max(width, height) <= CLI_LIMITS.max_side and width * height <= CLI_LIMITS.max_input_pixels
    try:
        CLI_LIMITS.check_input(width, height, frames)
    except ImageError:
        assert not fits
    else:
        assert fits


@laws
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0"]))
def test_arbitrary_bytes_decode_or_raise_our_own_error(payload, signature):
    with contextlib.suppress(LinearSRError):
        assert decode(signature + payload).width > 0
