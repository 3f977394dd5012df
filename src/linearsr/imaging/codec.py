"""Image files to pictures, through libvips: keeps 16 bits, alpha, ICC and EXIF; applies orientation."""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips
from numpy.typing import NDArray

from linearsr.errors import ImageError, InputError
from linearsr.imaging.formats import PNG, SNIFF_BYTES, InputFormat, check_png, sniff, vips_reason
from linearsr.imaging.limits import CLI_LIMITS, Limits
from linearsr.imaging.picture import Metadata, Picture, Samples
from linearsr.scratch import is_large, mapped_file

pyvips.cache_set_max(0)  # every image is read once; a cache would only hold memory and stale files

ImageSource = Path | bytes
_DEPTHS = {"uchar": 8, "ushort": 16}
_ROWS = 1024
"""Rows that are decoded at a time."""
_GRAY = ("b-w", "grey16")
_RGB = ("srgb", "rgb", "rgb16")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of an image without decoding it; width and height are as displayed (after orientation)."""

    width: int
    height: int
    format: InputFormat
    depth: int
    has_alpha: bool


def read_header(source: ImageSource, limits: Limits = CLI_LIMITS) -> Header:
    """Read format and size, and check them against ``limits``, without decoding a pixel.

    Raises:
        InputError: if the file does not exist or is a folder.
        UnsupportedFormatError, ImageTooLargeError, ImageError: if it may not or cannot be decoded.
    """
    form, image = _open(source, limits)
    turned = image.get_typeof("orientation") != 0 and image.get("orientation") >= 5
    width, height = (image.height, image.width) if turned else (image.width, image.height)
    return Header(
        width=width, height=height, format=form, depth=_DEPTHS[image.format], has_alpha=bool(image.hasalpha())
    )


def decode(source: ImageSource, limits: Limits = CLI_LIMITS) -> Picture:
    """Decode an image file (a path, or its bytes) into an upright :class:`Picture`.

    CMYK and Lab are converted to sRGB; RGB and grey keep their values and their ICC profile. Raises as
    :func:`read_header` does, and ImageError if the pixels are damaged or cut off.
    """
    form, image = _open(source, limits)
    try:
        upright = image.autorot()
        if upright.interpretation not in (*_GRAY, *_RGB):
            upright = _to_srgb(upright)
        color, alpha = _samples(upright)
    except pyvips.Error as error:
        raise _damaged(form, error) from error
    return Picture(
        color=color,
        alpha=alpha,
        metadata=_metadata(upright),
        source_format=form.output,
    )


def _samples(image: pyvips.Image) -> tuple[Samples, Samples | None]:
    """Colour, (H, W, 1 or 3), and alpha, (H, W)."""
    channels, dtype = 1 if image.interpretation in _GRAY else 3, np.dtype(f"u{_DEPTHS[image.format] // 8}")
    color = _empty((image.height, image.width, channels), dtype)
    alpha = _empty((image.height, image.width), dtype) if image.hasalpha() else None
    for top in range(0, image.height, _ROWS):
        rows = image.crop(0, top, image.width, min(_ROWS, image.height - top)).numpy()
        rows = rows.reshape(*rows.shape[:2], image.bands)
        color[top : top + _ROWS] = rows[..., :channels]
        if alpha is not None:
            alpha[top : top + _ROWS] = rows[..., channels]
    return color, alpha


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Samples:
    """An array to be filled, in a file if it is large."""
    count = math.prod(shape) * dtype.itemsize
    return np.frombuffer(mapped_file(count), dtype).reshape(shape) if is_large(count) else np.empty(shape, dtype)


def decode_rgb8(source: ImageSource) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) 8-bit RGB, for training photos."""
    picture = decode(source)
    color = picture.color if picture.depth == 8 else (picture.color >> 8)
    return np.broadcast_to(color, (*color.shape[:2], 3)).astype(np.uint8)


def _open(source: ImageSource, limits: Limits) -> tuple[InputFormat, pyvips.Image]:
    with _stream(source) as stream:
        form = sniff(stream.read(SNIFF_BYTES))
        if form is PNG:
            check_png(stream)
    try:
        image = form.load(_vips_source(source), fail_on="error")
    except pyvips.Error as error:
        raise _damaged(form, error) from error
    frames = image.get("n-pages") if image.get_typeof("n-pages") else 1
    limits.check_input(image.width, image.height, frames)
    if image.format not in _DEPTHS:
        raise ImageError(
            f"samples of type {image.format} in a {form.name} are not supported", remedy="convert it to 8 or 16 bits"
        )
    return form, image


def _stream(source: ImageSource) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}", remedy="check the path") from error
    except ValueError as error:
        raise InputError(f"cannot read {str(source)!r}: {error}", remedy="check the path") from error


def _vips_source(source: ImageSource) -> pyvips.Source:
    if isinstance(source, bytes):
        return pyvips.Source.new_from_memory(source)
    return pyvips.Source.new_from_file(os.fsencode(source))  # bytes: a file name need not be UTF-8


def _damaged(form: InputFormat, error: pyvips.Error) -> ImageError:
    return ImageError(f"the {form.name} is damaged or cut off ({vips_reason(error)})", remedy="get an intact copy")


def _to_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert CMYK, Lab and the like to sRGB of the same depth, by the embedded profile where there is one."""
    depth = _DEPTHS[image.format]
    if image.get_typeof("icc-profile-data"):
        converted = image.icc_transform("srgb", embedded=True, depth=depth)
    else:
        converted = image.colourspace("rgb16" if depth == 16 else "srgb")
    result = converted.copy()
    result.remove("icc-profile-data")
    return result.cast("ushort" if depth == 16 else "uchar")


def _metadata(image: pyvips.Image) -> Metadata:
    def block(name: str) -> bytes | None:
        return bytes(image.get(name)) if image.get_typeof(name) else None

    return Metadata(
        icc=block("icc-profile-data"),
        exif=block("exif-data"),
        xmp=block("xmp-data"),
        resolution=(image.xres, image.yres),
    )
