import numpy as np
import PIL.Image
import pytest
import torch
from imaging_samples import SRGB_ICC, exif_with, noise, pil_bytes, pil_open

from linearsr.errors import ImageError, InputError
from linearsr.imaging.convert import to_picture, to_pil
from linearsr.imaging.picture import Metadata, Picture

RGBA = PIL.Image.fromarray(noise(4, 5, 4))
MODES = {
    "1": (1, False), "L": (1, False), "LA": (1, True), "La": (1, True), "P": (3, False), "PA": (3, True),
    "RGB": (3, False), "RGBA": (3, True), "RGBa": (3, True), "RGBX": (3, False),
    "CMYK": (3, False), "YCbCr": (3, False), "HSV": (3, False), "LAB": (3, False),
}  # fmt: skip


def pil_of(mode: str) -> PIL.Image.Image:
    if mode in ("La", "PA"):
        return RGBA.convert("LA").convert("La") if mode == "La" else RGBA.convert("RGB").convert("P").convert("PA")
    if mode == "LAB":
        return PIL.Image.new("LAB", RGBA.size, (120, 90, 200))
    return RGBA.convert(mode) if mode in ("LA", "RGBa", "RGBA") else RGBA.convert("RGB").convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_pil_mode_is_read_with_its_values(mode):
    image = pil_of(mode)
    channels, alpha = MODES[mode]
    picture = to_picture(image)
    assert (picture.color.shape, picture.color.dtype) == ((4, 5, channels), np.uint8)
    assert (picture.alpha is not None) == alpha
    straight = image.convert("LA") if mode == "La" else image
    expected = np.asarray(straight.convert("RGBA"))
    assert (picture.color == expected[..., :channels]).all()
    assert picture.alpha is None or (picture.alpha == expected[..., 3]).all()


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_16_bit_pil_modes_keep_16_bits(mode):
    values = noise(4, 5, dtype=np.uint16)
    if mode == "I;16B":
        image = PIL.Image.frombytes(mode, (5, 4), values.astype(">u2").tobytes())
    else:
        image = PIL.Image.fromarray(values.astype(np.int32) if mode == "I" else values)
    assert image.mode == mode
    image.info["icc_profile"] = SRGB_ICC
    picture = to_picture(image)
    assert picture.color.dtype == np.uint16
    assert (picture.color[..., 0] == values).all()
    assert picture.metadata.icc == SRGB_ICC


@pytest.mark.parametrize(("value", "named"), [(-1, "-1"), (65_536, "65536")])
def test_integer_pil_images_out_of_range_are_refused_and_do_not_wrap(value, named):
    with pytest.raises(InputError, match=named):
        to_picture(PIL.Image.new("I", (2, 2), value))


def test_float_pil_images_are_unit_range():
    assert to_picture(PIL.Image.new("F", (2, 2), 0.5)).color[0, 0, 0] == 32768
    with pytest.raises(InputError, match="not 200 to 200"):
        to_picture(PIL.Image.new("F", (2, 2), 200.0))


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("RGB", 3), ("P", 3)])
def test_a_transparent_colour_of_a_pil_image_becomes_alpha(mode, channels):
    image = RGBA.convert("RGB").convert(mode)
    image = pil_open(pil_bytes(image, "PNG", transparency=image.getpixel((1, 2))))
    picture = to_picture(image)
    assert picture.color.shape[2] == channels
    assert (picture.alpha == np.asarray(image.convert("RGBA"))[..., 3]).all()
    assert picture.alpha[2, 1] == 0


@pytest.mark.parametrize(("mode", "kept"), [("RGB", True), ("P", True), ("L", True), ("CMYK", False), ("LAB", False)])
def test_a_profile_is_kept_only_where_it_still_describes_the_values(mode, kept):
    image = pil_of(mode)
    image.info["icc_profile"] = SRGB_ICC
    assert to_picture(image).metadata.icc == (SRGB_ICC if kept else None)


def test_the_orientation_of_a_pil_image_is_applied():
    image = pil_open(pil_bytes(RGBA, "PNG", exif=exif_with(orientation=6)))
    expected = np.rot90(np.asarray(RGBA), -1)
    assert (to_picture(image).color == expected[..., :3]).all()


def test_unreadable_exif_of_a_pil_image_turns_nothing():
    image = RGBA.copy()
    image.info["exif"] = b"Exif\0\0garbage"
    assert (to_picture(image).color == np.asarray(RGBA)[..., :3]).all()


def test_a_pil_image_whose_file_is_cut_off_is_an_image_error():
    payload = pil_bytes(PIL.Image.fromarray(noise(64, 64, 3)), "JPEG")
    with pytest.raises(ImageError, match="truncated"):
        to_picture(pil_open(payload[: len(payload) // 2]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("tail", "colors"), [((), 1), ((1,), 1), ((2,), 1), ((3,), 3), ((4,), 3)])
def test_integer_arrays_are_taken_as_they_are(tail, colors, dtype):
    array = noise(3, 5, *tail, dtype=dtype)
    picture = to_picture(array)
    planes = array.reshape(3, 5, -1)
    assert picture.color.dtype == dtype
    assert (picture.color == planes[..., :colors]).all()
    assert (picture.alpha is None) == (tail in ((), (1,), (3,)))
    assert picture.alpha is None or (picture.alpha == planes[..., -1]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_arrays_keep_16_bits(dtype):
    picture = to_picture(np.array([[0, 0.25, 0.5, 1]], dtype))
    assert picture.color[0, :, 0].tolist() == [0, 16384, 32768, 65535]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tensors_are_channels_first(dtype, channels):
    tensor = torch.zeros(channels, 3, 5, dtype=dtype)
    tensor[0, 2, 4] = 1
    tensor.requires_grad_(dtype.is_floating_point)
    picture = to_picture(tensor)
    assert (picture.width, picture.height, picture.is_gray) == (5, 3, channels == 1)
    assert picture.color[2, 4, 0] == (1 if dtype is torch.uint8 else 65535)
    assert picture.color.sum() == picture.color[2, 4, 0]


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (np.zeros((5,), np.uint8), r"\(5,\)"),
        (np.zeros((2, 2, 5), np.uint8), r"\(2, 2, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"\(1, 2, 2, 3\)"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), bool), "bool"),
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.full((2, 2), 1.5), "not 1.5 to 1.5"),
        (np.full((2, 2), -0.25), "not -0.25"),
        (np.array([[0.5, np.nan]]), "nan"),
        (np.array([[0.5, np.inf]]), "inf"),
        (torch.zeros(1, 3, 2, 2), r"\(1, 3, 2, 2\)"),
        (torch.zeros(8, 9, 3), r"\(8, 9, 3\)"),
        (torch.zeros(3, 0, 3), r"\(0, 3, 3\)"),
        (torch.zeros(3, 2, 2, dtype=torch.int32), "int32"),
        ("photo.png", "str"),
        (b"bytes", "bytes"),
        (None, "NoneType"),
        ([[1, 2], [3, 4]], "list"),
    ],
)
def test_what_is_not_an_image_is_refused_by_name(image, named):
    with pytest.raises(InputError, match=named):
        to_picture(image)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(("colors", "mode"), [(1, "L"), (3, "RGB")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_become_8_bit_pil_images_with_their_profile(dtype, colors, mode, alpha):
    opacity = noise(3, 5, dtype=dtype, seed=1) if alpha else None
    picture = Picture(color=noise(3, 5, colors, dtype=dtype), alpha=opacity, metadata=Metadata(icc=SRGB_ICC))
    image = to_pil(picture)
    assert (image.mode, image.size) == (mode + "A" * alpha, (5, 3))
    assert image.info["icc_profile"] == SRGB_ICC
    full = np.iinfo(dtype).max
    expected = picture.color if opacity is None else np.dstack((picture.color, opacity))
    exact = expected.astype(float) / full * 255
    assert np.abs(np.asarray(image).reshape(expected.shape) - exact).max() <= 0.51


def test_a_picture_without_profile_makes_an_image_without():
    assert "icc_profile" not in to_pil(Picture(color=noise(2, 2, 3))).info
