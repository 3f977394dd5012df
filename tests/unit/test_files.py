import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from imaging_samples import SRGB_ICC, exif_with, gray_icc, noise

from linearsr.errors import InputError, OutputError
from linearsr.files import LossWarning, fit, write_picture, write_strips
from linearsr.imaging.codec import decode
from linearsr.imaging.encoder import encode
from linearsr.imaging.formats import OUTPUTS
from linearsr.imaging.picture import Metadata, Picture
from linearsr.imaging.strips import cut


def losses(picture, name):
    """What is warned about when fitting, and the fitted picture; it must then be encodable."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = fit(cut(picture), OUTPUTS[name]).gather()
    assert all(warning.category is LossWarning for warning in caught)
    encode(fitted, OUTPUTS[name])
    return [str(warning.message) for warning in caught], fitted


def picture(dtype=np.uint8, colors=3, alpha=False, **metadata):
    opacity = noise(4, 5, dtype=dtype, seed=1) if alpha else None
    return Picture(color=noise(4, 5, colors, dtype=dtype), alpha=opacity, metadata=Metadata(**metadata))


def same(one, other):
    alphas = (one.alpha is None) == (other.alpha is None) and (one.alpha is None or (one.alpha == other.alpha).all())
    return bool(alphas) and np.array_equal(one.color, other.color) and one.metadata == other.metadata


EXIF = exif_with(make="Maker").tobytes()
LARGE_EXIF, LARGE_XMP = exif_with(description="d" * 70_000).tobytes(), b"x" * 60_001
LOST = {
    "png": [({"exif": LARGE_EXIF}, "EXIF")],
    "jpg": [
        ({"dtype": np.uint16}, "8 bits"),
        ({"alpha": True}, "become white"),
        ({"exif": LARGE_EXIF}, "EXIF"),
        ({"xmp": LARGE_XMP}, "XMP is left out: jpg output holds at most 60,000 bytes of it, not 60,001"),
    ],
    "webp": [({"dtype": np.uint16}, "8 bits"), ({"colors": 1, "icc": gray_icc()}, "grey ICC")],
    "tiff": [({"exif": EXIF}, "EXIF is left out: tiff output holds none")],
}
KEPT = {
    "png": [{"dtype": np.uint16, "alpha": True, "exif": EXIF, "xmp": LARGE_XMP, "icc": SRGB_ICC}],
    "jpg": [{"exif": EXIF, "xmp": LARGE_XMP[:-1], "icc": SRGB_ICC}, {"colors": 1, "icc": gray_icc()}],
    "webp": [{"alpha": True, "exif": EXIF, "xmp": LARGE_XMP, "icc": SRGB_ICC}, {"colors": 1}],
    "tiff": [{"dtype": np.uint16, "alpha": True, "xmp": LARGE_XMP, "icc": SRGB_ICC}],
}


@pytest.mark.parametrize(("name", "options", "named"), [(n, *case) for n, cases in LOST.items() for case in cases])
def test_every_loss_is_warned_about_once(name, options, named):
    (message,), _ = losses(picture(**options), name)
    assert named in message


@pytest.mark.parametrize(("name", "options"), [(name, case) for name, cases in KEPT.items() for case in cases])
def test_nothing_is_warned_about_when_nothing_is_lost(name, options):
    whole = picture(**options)
    messages, fitted = losses(whole, name)
    assert messages == []
    assert same(fitted, whole)
    back = decode(encode(whole, OUTPUTS[name])).metadata
    assert (back.icc, back.xmp) == (options.get("icc"), options.get("xmp"))
    assert "exif" not in options or b"Maker" in back.exif


def test_several_losses_are_each_warned_about():
    messages, fitted = losses(picture(np.uint16, alpha=True, exif=LARGE_EXIF), "jpg")
    assert len(messages) == 3
    assert (fitted.depth, fitted.alpha, fitted.metadata.exif) == (8, None, None)


def test_the_warning_points_at_the_caller():
    with pytest.warns(LossWarning) as caught:
        fit(cut(picture(np.uint16)), OUTPUTS["jpg"])
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_transparency_is_flattened_on_white(dtype, full):
    color = np.full((1, 3, 3), (full, 0, 0), dtype)
    alpha = np.array([[0, full // 2 + 1, full]], dtype)
    _, fitted = losses(Picture(color=color, alpha=alpha), "jpg")
    assert fitted.alpha is None
    assert fitted.color[0].tolist() == [[255, 255, 255], [255, 127, 127], [255, 0, 0]]


def test_16_bits_are_rounded_to_8_with_their_alpha():
    values = np.array([[[0], [128], [129], [65535]]], np.uint16)
    _, fitted = losses(Picture(color=values, alpha=values[..., 0]), "webp")
    assert fitted.color[0, :, 0].tolist() == fitted.alpha[0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(("suffix", "form"), [(".png", "PNG"), (".JPG", "JPEG"), (".webp", "WEBP"), (".tif", "TIFF")])
def test_a_picture_is_written_in_the_format_of_its_name(suffix, form, tmp_path):
    path = tmp_path / f"out{suffix}"
    write_picture(picture(), path)
    with PIL.Image.open(path) as image:
        assert (image.format, image.size) == (form, (5, 4))


def test_the_format_asked_for_beats_the_name_and_overwriting_must_be_asked_for(tmp_path):
    path = tmp_path / "out.png"
    write_picture(picture(), path, form=OUTPUTS["webp"])
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_picture(picture(), path)
    assert path.read_bytes() == before
    write_picture(picture(), path, overwrite=True)
    assert decode(path).source_format == "png"


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match=r"\.bmp"):
        write_picture(picture(), tmp_path / "out.bmp")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize(("dtype", "alpha"), [(np.uint8, False), (np.uint8, True), (np.uint16, True)])
@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.filterwarnings("ignore::linearsr.files.LossWarning")
def test_what_goes_to_disk_in_strips_is_what_would_go_from_memory(name, dtype, alpha, colors, tmp_path, monkeypatch):
    whole = picture(dtype, colors, alpha, icc=SRGB_ICC if colors == 3 else None, exif=EXIF)
    write_picture(whole, tmp_path / "memory", form=OUTPUTS[name])
    monkeypatch.setattr("linearsr.files.IN_MEMORY_BYTES", 0)
    write_picture(whole, tmp_path / "strips", form=OUTPUTS[name])
    memory, strips = (decode(tmp_path / which) for which in ("memory", "strips"))
    assert np.array_equal(strips.color, memory.color)
    assert (strips.alpha is None) == (memory.alpha is None) == (not alpha or name == "jpg")
    assert strips.alpha is None or np.array_equal(strips.alpha, memory.alpha)
    assert (strips.metadata, strips.depth) == (memory.metadata, memory.depth)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["memory", "strips"]


@pytest.mark.parametrize("nameless", [True, False], ids=["posix", "elsewhere"])
def test_strips_that_break_off_leave_nothing(tmp_path, monkeypatch, nameless):
    if not nameless:
        monkeypatch.setattr("linearsr.imaging.encoder.Path", lambda name: Path(tmp_path / "there is no such folder"))

    def broken():
        yield noise(2, 5, 3)
        raise KeyboardInterrupt

    monkeypatch.setattr("linearsr.files.IN_MEMORY_BYTES", 0)
    strips = replace(cut(picture()), rows=broken())
    with pytest.raises(KeyboardInterrupt):
        write_strips(strips, tmp_path / "out.png", OUTPUTS["png"])
    assert list(tmp_path.iterdir()) == []
    write_strips(cut(picture()), tmp_path / "out.png", OUTPUTS["png"])
    assert np.array_equal(decode(tmp_path / "out.png").color, picture().color)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_size_that_the_format_cannot_hold_is_refused_before_anything_is_computed(tmp_path):
    strips = replace(cut(picture()), width=70_000, rows=iter(()))
    with pytest.raises(OutputError, match="side limit 65,500"):
        write_strips(strips, tmp_path / "out.jpg", OUTPUTS["jpg"])
    assert list(tmp_path.iterdir()) == []
