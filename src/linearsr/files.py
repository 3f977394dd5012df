"""Pictures to files: fit the picture to the format, then write it whole or not at all."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from linearsr.imaging.atomic import new_file, write_atomically
from linearsr.imaging.encoder import check, encode, save_strips
from linearsr.imaging.formats import OutputFormat, format_of_suffix
from linearsr.imaging.picture import Metadata, Picture, Samples, from_unit, redepth, to_unit
from linearsr.imaging.strips import Strips, cut

IN_MEMORY_BYTES = 2**26
"""Results up to this many bytes of samples are encoded in memory."""


class LossWarning(UserWarning):
    """Something of the picture does not fit the chosen format."""


def write_picture(
    picture: Picture, path: Path, *, form: OutputFormat | None = None, quality: int = 95, overwrite: bool = False
) -> None:
    """Encode and write a picture in ``form``, by default the format of the path's suffix.

    Raises:
        InputError: if no format belongs to the suffix.
        OutputError: if the path exists and ``overwrite`` is false, or cannot be written.
    """
    form = form or format_of_suffix(path.suffix)
    write_strips(fit(cut(picture), form), path, form, quality=quality, overwrite=overwrite)


def write_strips(strips: Strips, path: Path, form: OutputFormat, *, quality: int = 95, overwrite: bool = False) -> None:
    """Write strips that fit ``form``; what is large goes to disk as it arrives, and ``path`` is whole or absent."""
    check(form, strips.width, strips.height, quality)
    if strips.row_bytes * strips.height <= IN_MEMORY_BYTES:
        write_atomically(path, encode(strips.gather(), form, quality=quality), overwrite=overwrite)
        return
    with new_file(path, overwrite=overwrite) as temporary:
        save_strips(strips, temporary, form, quality=quality)


def fit(strips: Strips, form: OutputFormat) -> Strips:
    """Reduce strips to what ``form`` can hold, warning (LossWarning) about everything that is lost."""
    strips = replace(strips, metadata=_fit_metadata(strips, form))
    if strips.depth == 16 and not form.depth16:
        _warn(f"{form.name} holds 8 bits per sample; the 16-bit result is reduced")
        strips = strips.map(lambda rows: redepth(rows, 8), depth=8)
    if strips.has_alpha and not form.alpha:
        _warn(f"{form.name} has no alpha; transparent parts become white")
        strips = strips.map(_flatten, has_alpha=False)
    return strips


def _flatten(rows: Samples) -> Samples:
    """Lay the colour of (n, W, C + 1) rows over white."""
    opacity = to_unit(rows[..., -1:])
    return from_unit(to_unit(rows[..., :-1]) * opacity + (1 - opacity), rows.dtype.itemsize * 8)


def _fit_metadata(strips: Strips, form: OutputFormat) -> Metadata:
    metadata = strips.metadata
    if strips.is_gray and not form.gray and (metadata.icc or b"")[16:20] == b"GRAY":
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
