import io
import zlib

import PIL.Image
import pytest
from imaging_samples import chunk, noise, pil_bytes, raw_png

from linearsr.errors import ImageError, ImageTooLargeError, InputError, UnsupportedFormatError
from linearsr.imaging.codec import decode, read_header
from linearsr.imaging.formats import (
    IMAGE_SUFFIXES,
    MAX_PNG_TEXT,
    OUTPUTS,
    READABLE,
    check_png,
    format_of_suffix,
    output_format,
    sniff,
)

RGB = PIL.Image.fromarray(noise(4, 5, 3))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
REFUSED = {
    "svg": SVG,
    "svg after a declaration": b'<?xml version="1.0"?>' + SVG,
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "bmp": pil_bytes(RGB, "BMP"),
    "ppm": pil_bytes(RGB, "PPM"),
    "ico": pil_bytes(RGB, "ICO"),
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "heic": b"\0\0\0\x18ftypheic" + bytes(40),
    "avif": b"\0\0\0\x18ftypavif" + bytes(40),
    "zip": b"PK\x03\x04" + bytes(40),
    "wav, a RIFF too": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "text": b"not an image at all\n",
    "half a signature": b"\x89PNG\r\n",
    "empty": b"",
}


@pytest.mark.parametrize("name", REFUSED)
def test_content_off_the_list_is_refused_whatever_the_name_says(name, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(REFUSED[name])
    for source in (REFUSED[name], path):
        with pytest.raises(UnsupportedFormatError, match="none of PNG, JPEG, WebP, TIFF, GIF"):
            decode(source)


@pytest.mark.parametrize("form", READABLE, ids=lambda form: form.name)
@pytest.mark.parametrize("suffix", [".jpg", ".svg", ".txt", ""])
def test_a_lying_name_changes_nothing(form, suffix, tmp_path):
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(pil_bytes(RGB, form.name))
    header = read_header(path)
    assert (header.format, header.width, header.height) == (form, 5, 4)
    assert decode(path).source_format == form.output


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_every_flavour_of_tiff_is_told(head):
    assert sniff(head + bytes(28)).name == "TIFF"


def test_an_error_about_unknown_content_quotes_its_first_bytes():
    with pytest.raises(UnsupportedFormatError, match="25 50 44 46 2d 31 2e 37"):
        sniff(REFUSED["pdf"])
    with pytest.raises(UnsupportedFormatError, match="an empty file"):
        sniff(b"")


@pytest.mark.parametrize(
    ("suffix", "name"), [(".png", "png"), (".JPEG", "jpg"), (".jpg", "jpg"), (".Tif", "tiff"), (".webp", "webp")]
)
def test_a_suffix_names_the_output_format(suffix, name):
    assert format_of_suffix(suffix) is OUTPUTS[name] is output_format(name)
    assert suffix.lower() in IMAGE_SUFFIXES


@pytest.mark.parametrize(("ask", "value"), [(format_of_suffix, ".gif"), (format_of_suffix, ""), (output_format, "bmp")])
def test_an_unknown_output_format_is_named_with_the_choices(ask, value):
    with pytest.raises(InputError, match="png") as caught:
        ask(value)
    assert repr(value) in str(caught.value)


def compressed(kind: bytes, size: int) -> bytes:
    lead = b"key\0\1\0en\0key\0" if kind == b"iTXt" else b"key\0\0"
    return chunk(kind, lead + zlib.compress(bytes(size), 9))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_text_that_unpacks_to_too_much_is_refused(kind):
    check_png(io.BytesIO(raw_png(noise(2, 2, 3), compressed(kind, MAX_PNG_TEXT))))
    with pytest.raises(ImageTooLargeError, match="16,777,216"):
        check_png(io.BytesIO(raw_png(noise(2, 2, 3), compressed(kind, MAX_PNG_TEXT + 1))))


@pytest.mark.parametrize(
    "harmless",
    [
        chunk(b"iTXt", b"key\0\0\0en\0key\0plain text"),
        chunk(b"zTXt", b"key\0\0not compressed at all"),
        chunk(b"tEXt", b"key\0text"),
        chunk(b"abCd", b""),
    ],
)
def test_other_chunks_are_let_through(harmless):
    pixels = noise(2, 2, 3)
    assert (decode(raw_png(pixels, harmless)).color == pixels).all()


def test_an_animation_chunk_is_found_behind_others_and_not_behind_the_pixels():
    animation = chunk(b"acTL", bytes(8))
    with pytest.raises(ImageError, match="animated"):
        check_png(io.BytesIO(raw_png(noise(2, 2, 3), chunk(b"tEXt", b"k\0v"), animation)))
    check_png(io.BytesIO(raw_png(noise(2, 2, 3)) + animation))


@pytest.mark.parametrize("length", range(8, 60, 3))
def test_a_png_that_ends_early_does_not_confuse_the_chunk_scan(length):
    check_png(io.BytesIO(raw_png(noise(2, 2, 3), chunk(b"zTXt", b"k"))[:length]))
