"""Pictures to files: fit the picture to the format, then write it whole or not at all."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linearsr.imaging.atomic import write_atomically
from linearsr.imaging.codec import ImageSource, decode, encode
from linearsr.imaging.formats import OutputFormat, format_of_suffix
from linearsr.imaging.picture import Metadata, Picture, from_unit, to_unit
from linearsr.request import UpscaleRequest

if TYPE_CHECKING:
    from linearsr.diffusion.sampler import StepCallback
    from linearsr.pipeline import SRPipeline


class LossWarning(UserWarning):
    """Something of the picture does not fit the chosen format."""


def upscale_file(
    pipeline: SRPipeline,
    source: ImageSource,
    request: UpscaleRequest,
    form: OutputFormat,
    *,
    quality: int = 95,
    on_step: StepCallback | None = None,
) -> bytes:
    """Upscale an image file (a path, or its bytes) and return the bytes of the result's file."""
    result = pipeline.upscale(decode(source), request, on_step_end=on_step)
    return encode(fit(result, form), form, quality=quality)


def write_picture(
    picture: Picture, path: Path, *, form: OutputFormat | None = None, quality: int = 95, overwrite: bool = False
) -> None:
    """Encode and write a picture in ``form``, by default the format of the path's suffix.

    Raises:
        InputError: if no format belongs to the suffix.
        OutputError: if the path exists and ``overwrite`` is false, or cannot be written.
    """
    form = form or format_of_suffix(path.suffix)
    write_atomically(path, encode(fit(picture, form), form, quality=quality), overwrite=overwrite)


def fit(picture: Picture, form: OutputFormat) -> Picture:
    """Reduce a picture to what ``form`` can hold, warning (LossWarning) about everything that is lost."""
    picture = replace(picture, metadata=_fit_metadata(picture, form))
    if picture.depth == 16 and not form.depth16:
        _warn(f"{form.name} holds 8 bits per sample; the 16-bit result is reduced")
        alpha = None if picture.alpha is None else from_unit(to_unit(picture.alpha), 8)
        picture = replace(picture, color=from_unit(to_unit(picture.color), 8), alpha=alpha)
    if picture.alpha is not None and not form.alpha:
        _warn(f"{form.name} has no alpha; transparent parts become white")
        opacity = to_unit(picture.alpha)[..., None]
        flat = to_unit(picture.color) * opacity + (1 - opacity)
        picture = replace(picture, color=from_unit(flat.astype(np.float32), picture.depth), alpha=None)
    return picture


def _fit_metadata(picture: Picture, form: OutputFormat) -> Metadata:
    metadata = picture.metadata
    if picture.is_gray and not form.gray and (metadata.icc or b"")[16:20] == b"GRAY":
        _warn(f"the grey ICC profile is left out: {form.name} holds colour only")
        metadata = replace(metadata, icc=None)
    exif = _within(form.max_exif, metadata.exif, f"EXIF is left out: {form.name} output")
    xmp = _within(form.max_xmp, metadata.xmp, f"XMP is left out: {form.name} output")
    return replace(metadata, exif=exif, xmp=xmp)


def _within(limit: int, block: bytes | None, loss: str) -> bytes | None:
    if block is None or len(block) <= limit:
        return block
    _warn(f"{loss} holds at most {limit:,} bytes of it, not {len(block):,}" if limit else f"{loss} holds none")
    return None


def _warn(loss: str) -> None:
    warnings.warn(loss, LossWarning, stacklevel=3)
