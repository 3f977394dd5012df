"""File formats, told by content from an allow-list; names and extensions are never trusted."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import pyvips

from linearsr.errors import InputError, UnsupportedFormatError

SNIFF_BYTES = 32
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
    """A format that can be written, and what it can hold."""

    name: str
    suffix: str
    alpha: bool
    depth16: bool
    max_side: int


OUTPUTS = {
    "png": OutputFormat(name="png", suffix=".png", alpha=True, depth16=True, max_side=2**31 - 1),
    "jpg": OutputFormat(name="jpg", suffix=".jpg", alpha=False, depth16=False, max_side=65_535),
    "webp": OutputFormat(name="webp", suffix=".webp", alpha=True, depth16=False, max_side=16_383),
    "tiff": OutputFormat(name="tiff", suffix=".tiff", alpha=True, depth16=True, max_side=2**31 - 1),
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


def is_animated_png(stream: BinaryIO) -> bool:
    """Tell whether a PNG has an animation chunk before its pixels: the decoder would silently show one frame."""
    stream.seek(8)
    while len(header := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind in (b"acTL", b"IDAT"):
            return bool(kind == b"acTL")
        stream.seek(length + 4, 1)
    return False
