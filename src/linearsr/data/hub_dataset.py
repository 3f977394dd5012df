"""Photos of Hugging Face datasets: by name, or from a folder of parquet files or saved by ``datasets``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from linearsr.data.photo import PhotoFile, is_validation
from linearsr.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

SPLIT = "train"
_SAVED = ("dataset_info.json", "dataset_dict.json")


def is_dataset(folder: Path) -> bool:
    """Tell whether a folder holds a dataset rather than image files."""
    return any((folder / name).exists() for name in _SAVED) or any(folder.rglob("*.parquet"))


def dataset_photos(where: str | Path) -> list[PhotoFile]:
    """Return the photos in the first image column of a dataset's ``train`` split; the key is the row's number.

    Raises:
        DataError: if ``datasets`` is not installed, the dataset cannot be loaded, or it has no column of images.
    """
    try:
        from datasets import Image
    except ImportError as error:
        raise DataError(
            "the package datasets is not installed", remedy="install it with: pip install 'linearsr[datasets]'"
        ) from error
    dataset = _load(where)
    columns = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
    if not columns:
        raise DataError(
            f"the dataset {where} has no column of images, only {', '.join(dataset.features)}",
            remedy="choose a dataset of images",
        )
    # Files are decoded by our own codec, which knows about orientation, depth and limits.
    files = dataset.select_columns([columns[0]]).cast_column(columns[0], Image(decode=False))
    return [
        PhotoFile(
            key=f"{row:08d}",
            validation=is_validation(f"{Path(where).name}/{row}"),
            read=partial(_read_row, files, row, columns[0]),
        )
        for row in range(len(files))
    ]


def _load(where: str | Path) -> Dataset:
    from datasets import DatasetDict, load_dataset, load_from_disk

    saved = isinstance(where, Path) and any((where / name).exists() for name in _SAVED)
    try:
        dataset = load_from_disk(str(where)) if saved else load_dataset(str(where))
        return dataset[SPLIT] if isinstance(dataset, DatasetDict) else dataset
    except Exception as error:  # the library raises what its many readers and the network happen to raise
        raise DataError(
            f"the dataset {where} cannot be loaded: {error}", remedy=f"check its name and that it has a split {SPLIT!r}"
        ) from error


def _read_row(dataset: Dataset, row: int, column: str) -> bytes:
    image = dataset[row][column]
    if image["bytes"] is not None:
        return bytes(image["bytes"])
    return Path(image["path"]).read_bytes()
