"""Small image files made for the tests, most of them by hand or by Pillow, so that the codec is not its own judge."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image
import pyvips
from PIL import ImageCms

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SRGB_ICC: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def pil_bytes(image: PIL.Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def pil_open(payload: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(payload))


def vips_bytes(array: np.ndarray, suffix: str, interpretation: str, **options: Any) -> bytes:
    image = pyvips.Image.new_from_array(array).copy(interpretation=interpretation)
    return bytes(image.write_to_buffer(suffix, **options))


def exif_with(**tags: Any) -> PIL.Image.Exif:
    """EXIF block with ``orientation``, ``make`` and ``taken`` (DateTimeOriginal, in the inner directory)."""
    exif = PIL.Image.Exif()
    for name, number in (("orientation", 0x112), ("make", 0x10F), ("description", 0x10E)):
        if name in tags:
            exif[number] = tags[name]
    if "taken" in tags:
        exif.get_ifd(0x8769)[0x9003] = tags["taken"]
    return exif


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(samples: np.ndarray, *extra: bytes, bits: int | None = None, palette: bool = False) -> bytes:
    """PNG of (H, W, C) samples without filters; ``extra`` are whole chunks put before the pixels."""
    height, width, channels = samples.shape
    bits = bits or samples.dtype.itemsize * 8
    kind = 3 if palette else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    if bits < 8:
        expanded = np.unpackbits(samples[..., 0][..., None], axis=-1)[..., 8 - bits :]
        rows = [np.packbits(row).tobytes() for row in expanded.reshape(height, -1)]
    else:
        rows = [row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return PNG_SIGNATURE + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def gray_icc() -> bytes:
    """A minimal grey profile (version 2, gamma 2.2), as black-and-white scans carry."""
    text = b"text\0\0\0\0x\0\0\0"
    description = (b"desc\0\0\0\0" + struct.pack(">I", 5) + b"gray\0").ljust(96, b"\0")
    white = struct.pack(">iii", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, 0x0233, 0)
    tags = {b"desc": description, b"cprt": text, b"wtpt": b"XYZ \0\0\0\0" + white, b"kTRC": curve}
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    fields = (offset + len(body), b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp", b"APPL")
    header = struct.pack(">I4sI4s4s4s12x4s4s", *fields).ljust(68, b"\0") + white
    return header.ljust(128, b"\0") + table + body


# Headers that promise an enormous image, with next to no pixels behind them.


def bomb_png(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG_SIGNATURE + header + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def bomb_gif(width: int, height: int, *, screen: tuple[int, int] | None = None) -> bytes:
    screen_block = b"GIF89a" + struct.pack("<HHBBB", *(screen or (width, height)), 0x80, 0, 0)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return screen_block + b"\0\0\0\xff\xff\xff" + frame + b";"


def bomb_tiff(width: int, height: int) -> bytes:
    entries = {
        256: width,
        257: height,
        258: 8,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: height,
        279: width * height % 2**32,
    }
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)


def bomb_webp(width: int, height: int) -> bytes:
    data = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(51)
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bomb_jpeg(width: int, height: int) -> bytes:
    payload = bytearray(pil_bytes(PIL.Image.new("RGB", (8, 8)), "JPEG"))
    frame = payload.index(b"\xff\xc0")
    payload[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(payload)


def bomb_png_text() -> bytes:
    """Two hundred chunks of text, eight megabytes each once unpacked, on a picture of one pixel."""
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(8 << 20), 9))
    return raw_png(noise(1, 1, 3), *[text] * 200)


BOMBS = {
    "png": bomb_png(60_000, 60_000),
    "gif": bomb_gif(60_000, 60_000),
    "gif frame": bomb_gif(60_000, 60_000, screen=(1, 1)),
    "tiff": bomb_tiff(60_000, 60_000),
    "webp": bomb_webp(16_383, 16_383),
    "jpeg": bomb_jpeg(65_500, 65_500),
    "png side": bomb_png(65_501, 1),
}
