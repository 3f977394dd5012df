"""Pictures to image files, through libvips: in memory, or from strips as they arrive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyvips

from linearsr.errors import ConfigError, OutputError
from linearsr.imaging.formats import OutputFormat, vips_reason
from linearsr.imaging.handover import Handover
from linearsr.imaging.picture import Metadata, Picture
from linearsr.imaging.png_stream import png_stream
from linearsr.imaging.strips import Strips

_OPTIMIZED_JPEG_PIXELS = 2**26
"""Optimal JPEG codes take the whole image in memory at once; above this size the usual codes must do."""
_BIG_TIFF_BYTES = 2**31


def encode(picture: Picture, form: OutputFormat, *, quality: int = 95) -> bytes:
    """Encode a picture. Alpha and depth must be ones the format can hold; ``quality`` (1 to 100) is for JPEG and WebP.

    Raises:
        ConfigError: if ``quality`` is out of range.
        OutputError: if the format cannot hold this picture.
    """
    check(form, picture.width, picture.height, quality)
    assert form.alpha or picture.alpha is None, "alpha must be flattened before"
    assert form.depth16 or picture.depth == 8, "depth must be reduced before"
    samples = picture.color if picture.alpha is None else np.dstack((picture.color, picture.alpha))
    image = pyvips.Image.new_from_array(np.ascontiguousarray(samples))
    described = _describe(image, picture.metadata, is_gray=picture.is_gray)
    try:
        return bytes(described.write_to_buffer(form.suffix, **_options(image, form, quality)))
    except pyvips.Error as error:
        raise _failed(form, error) from error


def save_strips(strips: Strips, path: Path, form: OutputFormat, *, quality: int = 95) -> None:
    """Encode strips into the file ``path`` as they arrive, at a memory that does not grow with their number.

    A second thread encodes while this one makes the strips, and can be interrupted. Raises as :func:`encode` does.
    """
    check(form, strips.width, strips.height, quality)
    handover = Handover()
    with ThreadPoolExecutor(1, "encoder") as threads:
        saved = threads.submit(_save_stream, handover, strips, path, form, quality)
        handover.give(png_stream(strips), saved)
        saved.result()


def _save_stream(handover: Handover, strips: Strips, path: Path, form: OutputFormat, quality: int) -> None:
    source = pyvips.SourceCustom()
    source.on_read(handover.take)
    try:
        image = pyvips.Image.pngload_source(source, access="sequential", unlimited=True, fail_on="truncated")
        described = _describe(image, strips.metadata, is_gray=strips.is_gray)
        save = {"png": pyvips.Image.pngsave, "jpg": pyvips.Image.jpegsave}
        save |= {"webp": pyvips.Image.webpsave, "tiff": pyvips.Image.tiffsave}
        save[form.name](described, str(path), **_options(image, form, quality))
    except pyvips.Error as error:
        raise _failed(form, error) from error


def check(form: OutputFormat, width: int, height: int, quality: int) -> None:
    """Raise unless ``form`` can hold an image of this size and ``quality`` is one."""
    if not 1 <= quality <= 100:
        raise ConfigError(f"quality must be from 1 to 100, not {quality}", remedy="95 is the usual choice")
    if max(width, height) > form.max_side:
        raise OutputError(
            f"{form.name} cannot hold {width}x{height} (side limit {form.max_side:,})", remedy="choose --format png"
        )


def _options(image: pyvips.Image, form: OutputFormat, quality: int) -> dict[str, object]:
    pixels = image.width * image.height
    large = pixels * image.bands * (2 if image.format == "ushort" else 1) > _BIG_TIFF_BYTES
    options: dict[str, dict[str, object]] = {
        "png": {"compression": 6},
        "jpg": {
            "Q": quality,
            "subsample_mode": "off" if quality >= 90 else "auto",
            "optimize_coding": pixels <= _OPTIMIZED_JPEG_PIXELS,
        },
        "webp": {"Q": quality},
        "tiff": {"compression": "deflate", "predictor": "horizontal", "bigtiff": large},
    }
    return options[form.name]


def _failed(form: OutputFormat, error: pyvips.Error) -> OutputError:
    return OutputError(
        f"the result cannot be saved as {form.name} ({vips_reason(error)})",
        remedy="try --metadata strip or --format png",
    )


def _describe(image: pyvips.Image, metadata: Metadata, *, is_gray: bool) -> pyvips.Image:
    """Say what the samples mean and attach the metadata."""
    gray = {"uchar": "b-w", "ushort": "grey16"}
    rgb = {"uchar": "srgb", "ushort": "rgb16"}
    xres, yres = metadata.resolution
    image = image.copy(interpretation=(gray if is_gray else rgb)[image.format], xres=xres, yres=yres)
    blocks = {"icc-profile-data": metadata.icc, "xmp-data": metadata.xmp}
    for name, payload in blocks.items():
        if payload is not None:
            image.set_type(pyvips.GValue.blob_type, name, payload)
    if metadata.exif:
        # The pixels are upright by now; orientation 1 overrides what the block says.
        image.set_type(pyvips.GValue.blob_type, "exif-data", metadata.exif)
        image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    return image
