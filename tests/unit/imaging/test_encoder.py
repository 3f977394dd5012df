import numpy as np
import PIL.Image
import pytest
from imaging_samples import SRGB_ICC, exif_with, gray_icc, noise, pil_bytes, pil_open, raw_png

from linearsr.errors import ConfigError, OutputError
from linearsr.imaging.codec import decode, read_header
from linearsr.imaging.encoder import encode, save_strips
from linearsr.imaging.formats import OUTPUTS
from linearsr.imaging.picture import Metadata, Picture
from linearsr.imaging.strips import cut

KINDS = [(dtype, colors, alpha) for dtype in (np.uint8, np.uint16) for colors in (1, 3) for alpha in (False, True)]
UPRIGHT = PIL.Image.fromarray(noise(5, 7, 3))
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}
"""EXIF orientation -> what makes the stored pixels upright (EXIF 2.32, tag 274)."""
INPUTS = {"PNG": {}, "JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "TIFF": {}}


def picture_of(dtype, colors, alpha, size=(5, 7), **metadata) -> Picture:
    opacity = noise(*size, dtype=dtype, seed=1) if alpha else None
    return Picture(color=noise(*size, colors, dtype=dtype), alpha=opacity, metadata=Metadata(**metadata))


def file_of(form: str, **blocks) -> bytes:
    return pil_bytes(UPRIGHT, form, **INPUTS[form], **blocks)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1), (5, 7)], ids=str)
@pytest.mark.parametrize(("dtype", "colors", "alpha"), KINDS)
@pytest.mark.parametrize("name", ["png", "tiff"])
def test_lossless_formats_give_every_sample_back(name, dtype, colors, alpha, size):
    picture = picture_of(dtype, colors, alpha, size)
    back = decode(encode(picture, OUTPUTS[name]))
    assert (back.color.dtype, back.source_format) == (dtype, name)
    assert (back.color == picture.color).all()
    assert (back.alpha is None and not alpha) or (back.alpha == picture.alpha).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1), (5, 7), (33, 17)], ids=str)
@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("name", ["jpg", "webp"])
def test_lossy_formats_stay_close_and_keep_the_size(name, colors, size):
    smooth = np.linspace(0, 255, size[0] * size[1]).reshape(*size, 1).astype(np.uint8)
    picture = Picture(color=np.repeat(smooth, colors, axis=2))
    back = decode(encode(picture, OUTPUTS[name], quality=100))
    assert back.color.shape[:2] == size
    assert np.abs(back.color.astype(int) - picture.color).max() <= 12


def test_webp_keeps_alpha_exactly():
    picture = picture_of(np.uint8, 3, True)
    assert (decode(encode(picture, OUTPUTS["webp"])).alpha == picture.alpha).all()


@pytest.mark.parametrize("name", ["jpg", "webp"])
def test_quality_trades_size_for_likeness(name):
    picture = Picture(color=noise(64, 64, 3))
    sizes = [len(encode(picture, OUTPUTS[name], quality=quality)) for quality in (1, 50, 95, 100)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_a_quality_out_of_range_is_refused(quality):
    with pytest.raises(ConfigError, match=f"quality must be from 1 to 100, not {quality}"):
        encode(picture_of(np.uint8, 3, False), OUTPUTS["jpg"], quality=quality)


@pytest.mark.parametrize(("name", "side"), [("jpg", 65_500), ("webp", 16_383)])
def test_the_side_limit_of_a_format_is_named_and_exact(name, side):
    for shape in ((side, 1, 1), (1, side, 1)):
        payload = encode(Picture(color=np.zeros(shape, np.uint8)), OUTPUTS[name])
        assert max(read_header(payload).width, read_header(payload).height) == side
    with pytest.raises(OutputError, match=f"{name} cannot hold 1x{side + 1} .*{side:,}") as caught:
        encode(Picture(color=np.zeros((side + 1, 1, 1), np.uint8)), OUTPUTS[name])
    assert "png" in caught.value.remedy


def test_what_the_encoder_refuses_is_an_output_error():
    damaged = picture_of(np.uint8, 3, False, exif=b"Exif\0\0II*\0" + bytes(10**7))
    with pytest.raises(OutputError, match="cannot be saved as png"):
        encode(damaged, OUTPUTS["png"])


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("form", INPUTS)
def test_orientation_is_applied(form, orientation):
    blocks = {"tiffinfo": {274: orientation}} if form == "TIFF" else {"exif": exif_with(orientation=orientation)}
    payload = file_of(form, **blocks)
    picture, header = decode(payload), read_header(payload)
    expected = TURNS[orientation](np.asarray(UPRIGHT))
    assert (picture.width, picture.height) == (header.width, header.height) == expected.shape[1::-1]
    assert np.abs(picture.color.astype(int) - expected).max() <= (6 if form == "JPEG" else 0)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["png", "jpg", "webp"])
def test_orientation_is_reset_to_1_in_the_output(name, orientation):
    payload = encode(decode(file_of("PNG", exif=exif_with(orientation=orientation))), OUTPUTS[name])
    assert pil_open(payload).getexif()[274] == 1
    assert decode(payload).color.shape == TURNS[orientation](np.asarray(UPRIGHT)).shape


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("form", INPUTS)
def test_the_icc_profile_survives_byte_for_byte(form, name):
    payload = encode(decode(file_of(form, icc_profile=SRGB_ICC)), OUTPUTS[name])
    assert pil_open(payload).info["icc_profile"] == SRGB_ICC


@pytest.mark.parametrize("name", ["png", "jpg", "tiff"])
def test_a_grey_icc_profile_survives_on_a_grey_picture(name):
    payload = encode(Picture(color=noise(4, 4, 1), metadata=Metadata(icc=gray_icc())), OUTPUTS[name])
    assert pil_open(payload).mode == "L"
    assert decode(payload).metadata.icc == gray_icc()


@pytest.mark.parametrize("name", ["png", "jpg", "webp"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_exif_tags_survive(form, name):
    taken = "2020:01:02 03:04:05"
    payload = encode(decode(file_of(form, exif=exif_with(orientation=6, make="Maker", taken=taken))), OUTPUTS[name])
    exif = pil_open(payload).getexif()
    assert (exif[0x10F], exif[274], exif.get_ifd(0x8769)[0x9003]) == ("Maker", 1, taken)


@pytest.mark.parametrize("name", OUTPUTS)
def test_xmp_and_resolution_survive(name):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
    picture = picture_of(np.uint8, 3, False, xmp=xmp, resolution=(11.811, 11.811))
    back = decode(encode(picture, OUTPUTS[name])).metadata
    assert back.xmp == xmp
    assert name == "webp" or back.resolution == pytest.approx((11.811, 11.811), rel=0.01)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("block", [b"", b"x", b"garbage" * 9, b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_damaged_metadata_does_not_cost_the_picture(block, name):
    picture = picture_of(np.uint8, 3, False, icc=block, exif=block if len(block) > 8 else b"")
    assert decode(encode(picture, OUTPUTS[name])).color.shape == (5, 7, 3)


def test_a_16_bit_png_is_not_reduced_on_the_way_through():
    ramp = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256, 1)
    picture = decode(raw_png(ramp))
    assert (decode(encode(picture, OUTPUTS["png"])).color == ramp).all()
    assert (np.asarray(pil_open(encode(picture, OUTPUTS["png"]))) == ramp[..., 0]).all()


@pytest.mark.parametrize("name", OUTPUTS)
def test_strips_make_the_same_file_as_the_whole_picture(name, tmp_path):
    exif = exif_with(make="Maker").tobytes()
    picture = Picture(color=noise(600, 40, 3), metadata=Metadata(icc=SRGB_ICC, exif=exif, resolution=(3.0, 3.0)))
    save_strips(cut(picture), tmp_path / "out", OUTPUTS[name])
    assert (tmp_path / "out").read_bytes() == encode(picture, OUTPUTS[name])


@pytest.mark.parametrize("after", [0, 2])
def test_an_error_in_making_strips_comes_through(after, tmp_path, capfd):
    def fail(rows):
        seen.append(len(rows))
        if len(seen) > after:
            raise ArithmeticError("lost")
        return rows

    seen = []
    with pytest.raises(ArithmeticError, match="lost"):
        save_strips(cut(Picture(color=noise(4000, 40, 3))).map(fail), tmp_path / "out.png", OUTPUTS["png"])
    assert len(seen) == after + 1
    assert capfd.readouterr() == ("", "")


def test_an_encoder_that_fails_stops_the_making_of_strips(tmp_path):
    seen = []
    picture = Picture(color=noise(256 * 50, 1000, 3))
    counted = cut(picture).map(lambda rows: (seen.append(len(rows)), rows)[1])
    with pytest.raises(OutputError, match="cannot be saved as png"):
        save_strips(counted, tmp_path / "no such folder" / "out.png", OUTPUTS["png"])
    assert len(seen) < 25
