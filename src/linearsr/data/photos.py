"""Photos for training from wherever they are: a folder of images, tar shards, or a Hugging Face dataset."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from linearsr.data.hub_dataset import dataset_photos, is_dataset
from linearsr.data.photo import Photo, PhotoFile, is_validation
from linearsr.data.shards import shard_photos
from linearsr.errors import DataError
from linearsr.imaging.formats import IMAGE_SUFFIXES

HUB_PREFIX = "hf:"


def open_photos(where: str | Path) -> list[PhotoFile]:
    """Return the photos of a place, not yet decoded, in an order that is always the same.

    Args:
        where: a folder with ``*.tar`` shards and their manifest; a folder written by Hugging Face ``datasets`` or
            holding parquet files; a folder of images, with or without subfolders; or ``hf:OWNER/NAME``, a dataset to
            download.

    Raises:
        DataError: if there are no photos, or they cannot be read.
    """
    if str(where).startswith(HUB_PREFIX):
        return dataset_photos(str(where).removeprefix(HUB_PREFIX))
    folder = Path(where)
    if any(folder.glob("*.tar")):
        return shard_photos(folder)
    return dataset_photos(folder) if is_dataset(folder) else folder_photos(folder)


def read_photos(where: str | Path) -> Iterator[Photo]:
    """Yield every photo of a place, decoded."""
    return (file.decode() for file in open_photos(where))


def folder_photos(folder: Path) -> list[PhotoFile]:
    """Return the images in a folder and all below it; the key is the path below the folder."""
    files = []
    for path in find_images(folder):
        key = path.relative_to(folder).as_posix()
        files.append(PhotoFile(key=key, validation=is_validation(key), read=partial(_read, path)))
    return files


def find_images(folder: Path) -> list[Path]:
    """Return the image files in a folder and all below it, by their suffix, sorted.

    Raises:
        DataError: if the folder does not exist or holds none.
    """
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not images:
        raise DataError(f"no image in the folder {folder}", remedy="point to a folder of photos")
    return images


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", remedy="check the path and its permissions") from error
