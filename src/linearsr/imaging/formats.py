"""File formats, told by content from an allow-list; names and extensions are never trusted."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyvips

from linearsr.errors import ImageError, ImageTooLargeError, InputError, UnsupportedFormatError

SNIFF_BYTES = 32
MAX_PNG_TEXT = 16 * 2**20
"""Bytes that all compressed text and profiles of a PNG may unpack to."""
Loader = Callable[..., pyvips.Image]


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """A format that can be read. ``output`` is the format a result is saved in unless another is asked for."""

    name: str
    load: Loader
    output: str


PNG = InputFormat(name="PNG", load=pyvips.Image.pngload_source, output="png")
JPEG = InputFormat(name="JPEG", load=pyvips.Image.jpegload_source, output="jpg")
WEBP = InputFormat(name="WebP", load=pyvips.Image.webpload_source, output="webp")
TIFF = InputFormat(name="TIFF", load=pyvips.Image.tiffload_source, output="tiff")
GIF = InputFormat(name="GIF", load=pyvips.Image.gifload_source, output="png")
READABLE = (PNG, JPEG, WEBP, TIFF, GIF)


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """A format that can be written, and what it can hold; ``max_exif`` and ``max_xmp`` are in bytes."""

    name: str
    suffix: str
    alpha: bool = True
    gray: bool = True
    depth16: bool = True
    max_side: int = 2**31 - 1
    max_exif: int = 65_000
    max_xmp: int = 2**31 - 1


OUTPUTS = {
    "png": OutputFormat(name="png", suffix=".png"),
    "jpg": OutputFormat(
        name="jpg", suffix=".jpg", alpha=False, depth16=False, max_side=65_500, max_exif=60_000, max_xmp=60_000
    ),
    "webp": OutputFormat(name="webp", suffix=".webp", gray=False, depth16=False, max_side=16_383),
    "tiff": OutputFormat(name="tiff", suffix=".tiff", max_exif=0),
}
_SUFFIXES = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".tif": "tiff", ".tiff": "tiff"}
IMAGE_SUFFIXES = frozenset((*_SUFFIXES, ".gif"))
"""Names that a folder scan picks up; what a file is, its content decides."""


def sniff(head: bytes) -> InputFormat:
    """Tell the format from a file's first bytes.

    Raises:
        UnsupportedFormatError: for anything off the allow-list (SVG, PDF, HEIC, BMP, text, an empty file, ...).
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TIFF
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    readable = ", ".join(known.name for known in READABLE)
    shown = head[:8].hex(" ") or "an empty file"
    raise UnsupportedFormatError(
        f"the content (starting {shown}) is none of {readable}", remedy="convert it to PNG first"
    )


def output_format(name: str) -> OutputFormat:
    """Return the output format of a name ("png") or raise InputError."""
    if name not in OUTPUTS:
        raise InputError(f"output format {name!r} is unknown", remedy=f"choose from {', '.join(OUTPUTS)}")
    return OUTPUTS[name]


def format_of_suffix(suffix: str) -> OutputFormat:
    """Return the output format of a file name's suffix (".jpeg") or raise InputError."""
    if suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"no output format belongs to the suffix {suffix!r}", remedy=f"use one of {', '.join(sorted(_SUFFIXES))}"
        )
    return OUTPUTS[_SUFFIXES[suffix.lower()]]


def check_png(stream: BinaryIO) -> None:
    """Refuse what the PNG decoder would let through: an animation (it shows one frame) and a bomb of compressed text.

    Raises:
        ImageError: if there is an animation chunk before the pixels.
        ImageTooLargeError: if the text and the profile unpack to more than ``MAX_PNG_TEXT``.
    """
    room = MAX_PNG_TEXT
    for kind, length in _png_chunks(stream):
        if kind == b"acTL":
            raise ImageError("the PNG is animated", remedy="extract the frame to upscale first")
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            room -= _unpacked_size(kind, stream.read(min(length, MAX_PNG_TEXT)), room + 1)
        if room < 0:
            raise ImageTooLargeError(
                f"the PNG's text unpacks to more than {MAX_PNG_TEXT:,} bytes", remedy="remove its text chunks first"
            )


def _png_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk before the pixels, with the stream at its data."""
    position = 8
    while True:
        stream.seek(position)
        header = stream.read(8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IDAT":
            return
        yield kind, length
        position += 12 + length


def _unpacked_size(kind: bytes, data: bytes, limit: int) -> int:
    """Size of a chunk's text or profile once decompressed, counted up to ``limit``; 0 for what is not compressed."""
    _, _, packed = data.partition(b"\0")
    if kind == b"iTXt":
        if packed[:1] != b"\1":
            return 0
        packed = packed[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        packed = packed[1:]
    try:
        return len(zlib.decompressobj().decompress(packed, limit))
    except zlib.error:
        return 0


def vips_reason(error: pyvips.Error) -> str:
    """The last line of what libvips says."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
