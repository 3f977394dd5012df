"""Photos for training, read from WebDataset-style tar shards (``<key>.webp|png|jpg``) with a manifest beside them.

The validation split is by original photo, never by crop: every crop of one original falls on the same side.
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearsr.errors import DataError
from linearsr.imaging.codec import decode_rgb8

VALIDATION_PERCENT = 3


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One HR crop. ``pixels`` is (H, W, 3) uint8 RGB; ``validation`` tells the split."""

    key: str
    pixels: NDArray[np.uint8]
    validation: bool


def read_photos(folder: Path) -> Iterator[Photo]:
    """Yield every photo of the ``*.tar`` shards in ``folder``, in shard order.

    Raises:
        DataError: if the folder holds no shard, ``manifest.csv`` cannot be read, or a photo has no line in it.
    """
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise DataError(f"no *.tar shard in {folder}", remedy="point to the folder that holds the training shards")
    originals = _read_originals(folder / "manifest.csv")
    for shard in shards:
        with tarfile.open(shard) as archive:
            for member in archive:
                key = Path(member.name).stem
                if key not in originals:
                    raise DataError(f"{key} in {shard.name} is not in manifest.csv", remedy="rebuild the manifest")
                stream = archive.extractfile(member)
                assert stream is not None, "shards hold plain files only"
                yield Photo(key=key, pixels=decode_rgb8(stream.read()), validation=is_validation(originals[key]))


def is_validation(original: str) -> bool:
    """Tell whether an original photo belongs to the fixed validation split (a hash of its name decides)."""
    digest = hashlib.sha256(original.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < VALIDATION_PERCENT


def _read_originals(manifest: Path) -> dict[str, str]:
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            return {row["name"]: f"{row['source']}/{row['original']}" for row in csv.DictReader(stream)}
    except (OSError, KeyError) as error:
        raise DataError(
            f"cannot read {manifest}: {error}", remedy="give it the columns name, source and original"
        ) from error
