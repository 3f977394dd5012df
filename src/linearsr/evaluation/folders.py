"""Images of one scene in several folders, found by a common key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearsr.errors import DataError, ImageError
from linearsr.imaging.codec import decode_rgb8
from linearsr.imaging.formats import IMAGE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way of making outputs: its name in the tables, and its outputs by key."""

    name: str
    outputs: Mapping[str, Path]


def find_images(folder: Path, marks: Sequence[str] = ()) -> dict[str, Path]:
    """Images of a folder by key: the stem of the name, less the first of the endings ``marks`` that it has.

    Raises:
        DataError: if there is no image, or two have the same key.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataError(f"no image in {folder}", remedy="name a folder of images")
    found: dict[str, Path] = {}
    for path in paths:
        key = next((path.stem.removesuffix(mark) for mark in marks if path.stem.endswith(mark)), path.stem)
        if key in found:
            raise DataError(f"{found[key]} and {path} have one name", remedy="keep one of them")
        found[key] = path
    return found


def check_complete(wanted: Mapping[str, Path], found: Mapping[str, Path], what: str) -> None:
    """See that each of ``wanted`` has a counterpart in ``found``.

    Raises:
        DataError: if one has none.
    """
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"{what} lacks {len(missing)} of {len(wanted)} images ({shown})",
            remedy="a mean over other images would not compare; make them, or reduce the references",
        )


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) 8-bit RGB.

    Raises:
        ImageError: if it cannot be decoded; the message names the file.
    """
    try:
        return decode_rgb8(path.read_bytes())
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}", remedy="check the file") from error
    except ImageError as error:
        raise ImageError(f"{path}: {error.args[0]}", remedy=error.remedy) from error
