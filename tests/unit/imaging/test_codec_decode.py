import numpy as np
import PIL.Image
import pytest
import pyvips
from imaging_samples import chunk, noise, pil_bytes, raw_png, vips_bytes

import linearsr.scratch
from linearsr.errors import ImageError, InputError
from linearsr.imaging.codec import decode, decode_rgb8, read_header

LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}, "GIF": {}}
MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]
SIZES = [(1, 1), (1, 9), (9, 1), (5, 7), (16, 16)]
RGB = PIL.Image.fromarray(noise(5, 7, 3))


def reference(payload: bytes, tmp_path) -> np.ndarray:
    """(H, W, 4) RGBA values by Pillow."""
    path = tmp_path / "reference"
    path.write_bytes(payload)
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def as_rgba(picture) -> np.ndarray:
    color = np.broadcast_to(picture.color, (picture.height, picture.width, 3))
    full = np.iinfo(picture.color.dtype).max
    alpha = np.full(color.shape[:2], full, color.dtype) if picture.alpha is None else picture.alpha
    return np.dstack((color, alpha))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", LOSSLESS)
def test_every_mode_and_size_is_read_as_pillow_reads_it(form, mode, size, tmp_path):
    image = PIL.Image.fromarray(noise(size[1], size[0], 4, seed=size[0])).convert("RGBA" if mode[-1] == "A" else "RGB")
    payload = pil_bytes(image.convert(mode), form, **LOSSLESS[form])
    picture = decode(payload)
    header = read_header(payload)
    assert (header.width, header.height, header.depth) == (picture.width, picture.height, 8) == (*size, 8)
    assert header.has_alpha == (picture.alpha is not None)
    expected = reference(payload, tmp_path)
    seen = expected[..., 3] > 0 if form == "GIF" else np.full(expected.shape[:2], True)
    assert picture.alpha is None or (picture.alpha == expected[..., 3]).all()
    assert (as_rgba(picture)[seen] == expected[seen]).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_all_bits_of_grey_and_colour_with_and_without_alpha_arrive(suffix, dtype, channels):
    samples = noise(5, 7, channels, dtype=dtype)
    space = {(1, 1): "b-w", (1, 2): "grey16", (3, 1): "srgb", (3, 2): "rgb16"}
    colors = 1 if channels < 3 else 3
    written = vips_bytes(samples, suffix, space[colors, samples.itemsize])
    picture = decode(raw_png(samples) if suffix == ".png" else written)
    assert picture.color.dtype == dtype
    assert picture.depth == read_header(written).depth == samples.itemsize * 8
    assert (picture.color == samples[..., :colors]).all()
    assert (picture.alpha is None) == (channels == colors)
    if picture.alpha is not None:
        assert (picture.alpha == samples[..., colors]).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_is_spread_over_the_whole_range(bits):
    values = noise(5, 7, 1) >> (8 - bits)
    picture = decode(raw_png(values, bits=bits))
    assert (picture.color == values * (255 // (2**bits - 1))).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_is_looked_up_with_its_transparency(bits):
    colors = noise(2**bits, 3)
    opacity = noise(2**bits - 1, seed=1)
    indices = noise(5, 7, 1, seed=2) >> (8 - bits)
    extra = chunk(b"PLTE", colors.tobytes()), chunk(b"tRNS", opacity.tobytes())
    picture = decode(raw_png(indices, *extra, bits=bits, palette=True))
    assert (picture.color == colors[indices[..., 0]]).all()
    assert (picture.alpha == np.append(opacity, 255)[indices[..., 0]]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_transparent_colour_becomes_alpha(channels, dtype):
    samples = noise(4, 4, channels, dtype=dtype)
    key = samples[1, 2].astype(">u2").tobytes()
    picture = decode(raw_png(samples, chunk(b"tRNS", key)))
    assert (picture.color == samples).all()
    assert ((picture.alpha == 0) == (samples == samples[1, 2]).all(-1)).all()
    assert picture.alpha.max() == np.iinfo(dtype).max


def test_premultiplied_alpha_is_undone():
    image = pyvips.Image.new_from_array(np.full((3, 3, 4), (200, 100, 40, 128), np.uint8)).copy(interpretation="srgb")
    picture = decode(image.tiffsave_buffer(premultiply=True))
    assert np.abs(picture.color[0, 0].astype(int) - (200, 100, 40)).max() <= 1
    assert picture.alpha[0, 0] == 128


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_jpeg_is_read_closely_whatever_its_size(mode, size):
    smooth = np.linspace(0, 255, size[0] * size[1] * 3).astype(np.uint8).reshape(size[1], size[0], 3)
    image = PIL.Image.fromarray(smooth).convert(mode)
    picture = decode(pil_bytes(image, "JPEG", quality=100, subsampling=0))
    expected = np.asarray(image).reshape(size[1], size[0], -1)
    assert picture.color.shape == expected.shape
    assert np.abs(picture.color.astype(int) - expected).max() <= 6


@pytest.mark.parametrize(
    ("ink", "color"),
    [((0, 0, 0, 0), (255, 255, 255)), ((0, 0, 0, 255), (40, 35, 43)), ((0, 255, 255, 0), (232, 31, 42))],
)
@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(form, ink, color):
    picture = decode(pil_bytes(PIL.Image.new("CMYK", (8, 8), ink), form))
    assert not picture.is_gray
    assert np.abs(picture.color[4, 4].astype(int) - color).max() <= 12


def test_cmyk_is_converted_by_its_profile_which_then_goes():
    colors = np.full((8, 8, 3), (180, 120, 90), np.uint8)
    rgb = pyvips.Image.new_from_array(colors).copy(interpretation="srgb")
    for depth in (8, 16):
        picture = decode(rgb.icc_export(output_profile="cmyk", depth=depth).tiffsave_buffer())
        assert picture.depth == depth
        assert picture.metadata.icc is None
        assert np.abs((picture.color[4, 4] >> (picture.depth - 8)).astype(int) - colors[0, 0]).max() <= 12


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_or_pages_are_one_clear_error(form):
    payload = pil_bytes(RGB, form, save_all=True, append_images=[PIL.Image.new("RGB", RGB.size)])
    for read in (decode, read_header):
        with pytest.raises(ImageError, match=r"animated|2 frames or pages") as caught:
            read(payload)
        assert "extract the" in caught.value.remedy


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("form", ["JPEG", "GIF", "PNG", "WEBP", "TIFF"])
def test_a_file_cut_off_is_an_image_error_and_never_half_a_picture(form, kept):
    payload = pil_bytes(PIL.Image.fromarray(noise(64, 64, 3)), form)
    with pytest.raises(ImageError, match="damaged or cut off"):
        decode(payload[: int(len(payload) * kept)])


@pytest.mark.parametrize("space", ["lab", "scrgb", "xyz"])
def test_samples_that_are_not_integers_are_refused_by_name(space):
    image = pyvips.Image.new_from_array(noise(4, 4, 3)).copy(interpretation="srgb").colourspace(space)
    with pytest.raises(ImageError, match="float in a TIFF"):
        decode(image.tiffsave_buffer())


@pytest.mark.parametrize("name", ["missing.png", "folder", "nul\0.png"])
def test_a_path_that_cannot_be_read_is_named(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot read .*" + name[:3]) as caught:
        decode(tmp_path / name)
    assert type(caught.value) is InputError


@pytest.mark.parametrize("name", ["a[page=2].png", "ü -: %s.png", "two\nlines.png", "bad\udcff.png"])
def test_a_peculiar_file_name_is_just_a_name(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(pil_bytes(RGB, "PNG"))
    assert (decode(path).color == np.asarray(RGB)).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_training_photos_come_as_8_bit_rgb(dtype, channels):
    samples = noise(3, 5, channels, dtype=dtype)
    rgb = decode_rgb8(raw_png(samples))
    assert (rgb.shape, rgb.dtype) == ((3, 5, 3), np.uint8)
    expected = (samples >> (8 * (samples.itemsize - 1)))[..., : 1 if channels < 3 else 3]
    assert (rgb == expected).all()


@pytest.mark.parametrize("limit", [0, 10**9], ids=["file", "memory"])
@pytest.mark.parametrize("channels", [1, 4])
def test_more_rows_than_are_decoded_at_a_time(monkeypatch, limit, channels):
    monkeypatch.setattr(linearsr.scratch, "FILE_ABOVE_BYTES", limit)
    samples = noise(2 * 1024 + 3, 5, channels)
    picture = decode(raw_png(samples))
    assert (picture.color == samples[..., : len(picture.color[0, 0])]).all()
    assert channels == 1 or (picture.alpha == samples[..., 3]).all()
