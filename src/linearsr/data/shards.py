"""WebDataset-style tar shards of photos (``<key>.webp|png|jpg``), with one manifest.csv beside them.

The manifest has a line for every photo. Needed are ``name`` (the key), ``source`` and ``original``; ``texture``,
``content`` (hash of the original's pixels) and ``sha256`` (of the photo's file) are used where they are given.

The validation split is by original photo, never by crop: every crop of one original falls on the same side.
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from linearsr.data.photo import PhotoFile, is_validation
from linearsr.errors import DataError, LinearSRError

MANIFEST_NAME = "manifest.csv"
Row = Mapping[str, str]


def shard_photos(folder: Path) -> list[PhotoFile]:
    """Return every photo of the ``*.tar`` shards in ``folder``, in shard order; pixels are not read yet.

    Raises:
        DataError: if the folder holds no shard, a shard is damaged, or shards and manifest do not name the same photos.
    """
    rows = read_manifest(folder)
    files = [file for shard in find_shards(folder) for file in _index(shard, rows)]
    missing = rows.keys() - {file.key for file in files}
    if missing:
        raise DataError(
            f"{len(missing)} photos of {folder / MANIFEST_NAME} are in no shard, among them {min(missing)}",
            remedy="restore the missing shards, or take the lines out",
        )
    return files


def find_shards(folder: Path) -> list[Path]:
    """Return the tar shards of a folder, sorted by name."""
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise DataError(f"no *.tar shard in {folder}", remedy="point to the folder that holds the training shards")
    return shards


def read_manifest(folder: Path) -> dict[str, Row]:
    """Return the lines of a folder's manifest by key."""
    path = folder / MANIFEST_NAME
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows: dict[str, Row] = {row["name"]: row for row in csv.DictReader(stream)}
        for row in rows.values():
            float(row.get("texture") or 0)
            _ = row["source"], row["original"]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read {path}: {error}", remedy="give it the columns name, source and original"
        ) from error
    return rows


def is_held_out(row: Row) -> bool:
    """Tell whether the photo of a manifest line belongs to the validation split."""
    return is_validation(row.get("content") or f"{row['source']}/{row['original']}")


def check_shards(folder: Path, progress: Callable[[str], None]) -> Iterator[str]:
    """Read and decode every photo, and yield what is wrong: damage, and what the manifest says differently.

    Raises:
        DataError: if there is no shard or no manifest to read.
    """
    rows = read_manifest(folder)
    seen: set[str] = set()
    whole = True
    for shard in find_shards(folder):
        try:
            files = _index(shard, rows)
        except DataError as error:
            whole = False
            yield str(error)
            continue
        for file in files:
            progress(file.key)
            if file.key in seen:
                yield f"{file.key} in {shard.name} is there twice"
            seen.add(file.key)
            yield from _photo_problems(file, rows[file.key], shard.name)
    if whole:  # else the photos of the damaged shard would be named one by one
        yield from (f"{key} of {MANIFEST_NAME} is in no shard" for key in sorted(rows.keys() - seen))


def _photo_problems(file: PhotoFile, row: Row, shard: str) -> Iterator[str]:
    try:
        payload = file.read()
        if row.get("sha256", "") not in ("", hashlib.sha256(payload).hexdigest()):
            yield f"{file.key} in {shard} is not the file that the manifest was written for"
        side = min(file.decode().pixels.shape[:2])
    except LinearSRError as error:
        yield f"{shard}: {error.args[0]}"
        return
    if row.get("side", "") not in ("", str(side)):
        yield f"{file.key} in {shard} has a shorter side of {side} pixels, not {row['side']} as in the manifest"


def _index(shard: Path, rows: Mapping[str, Row]) -> list[PhotoFile]:
    """Find the photos of a shard without reading them."""
    files = []
    for member in _members(shard):
        key = Path(member.name).stem
        if key not in rows:
            raise DataError(f"{key} in {shard.name} is not in {MANIFEST_NAME}", remedy="rebuild the manifest")
        texture = rows[key].get("texture")
        files.append(
            PhotoFile(
                key=key,
                validation=is_held_out(rows[key]),
                read=partial(_read_part, shard, member.offset_data, member.size),
                texture=float(texture) if texture else None,
            )
        )
    return files


def _members(shard: Path) -> list[tarfile.TarInfo]:
    """Files of a shard. tarfile takes whatever is no header for the end of the archive, so the end is looked at."""
    try:
        with tarfile.open(shard, "r:") as archive:
            members = [member for member in archive if member.isfile()]
            end = archive.offset
        with shard.open("rb") as stream:
            stream.seek(end)
            rest = stream.read()
    except (tarfile.TarError, OSError, ValueError) as error:
        raise _damaged(shard, str(error)) from error
    if rest.strip(b"\0"):
        raise _damaged(shard, f"unreadable from byte {end}")
    return members


def _read_part(shard: Path, start: int, size: int) -> bytes:
    try:
        with shard.open("rb") as stream:
            stream.seek(start)
            payload = stream.read(size)
    except OSError as error:
        raise _damaged(shard, error.strerror or str(error)) from error
    if len(payload) != size:
        raise _damaged(shard, "it is cut off")
    return payload


def _damaged(shard: Path, reason: str) -> DataError:
    return DataError(f"the shard {shard} cannot be read: {reason}", remedy="get an intact copy, or build it again")
