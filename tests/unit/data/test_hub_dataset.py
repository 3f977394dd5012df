from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from small_models import photo

from linearsr.data.hub_dataset import dataset_photos, is_dataset
from linearsr.data.photo import is_validation
from linearsr.data.photos import open_photos
from linearsr.errors import DataError

# The library opens files and sockets that it leaves to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture
def datasets(monkeypatch, tmp_path):
    """The real library, offline, with its caches in the test's folder."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    library = pytest.importorskip("datasets", exc_type=ImportError)
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(library.config, "HF_DATASETS_OFFLINE", True)
    library.disable_progress_bars()
    return library


@pytest.fixture
def rows(tmp_path, png):
    """Encoded photos: two as bytes, one as the path of a file."""
    (tmp_path / "c.png").write_bytes(png(photo(16, 20, 2)))
    return [
        {"bytes": png(photo(16, 20, 0)), "path": None},
        {"bytes": png(photo(16, 20, 1)), "path": "b.png"},
        {"bytes": None, "path": str(tmp_path / "c.png")},
    ]


def make(datasets, rows):
    features = datasets.Features({"text": datasets.Value("string"), "picture": datasets.Image()})
    return datasets.Dataset.from_dict({"text": list("abc"), "picture": rows}, features=features)


def check(files, name):
    assert [file.key for file in files] == ["00000000", "00000001", "00000002"]
    assert [file.validation for file in files] == [is_validation(f"{name}/{row}") for row in range(3)]
    for seed, file in enumerate(files):
        assert np.array_equal(file.decode().pixels, photo(16, 20, seed))


def test_a_saved_dataset_is_read(datasets, rows, tmp_path):
    folder = tmp_path / "saved"
    make(datasets, rows).save_to_disk(folder)
    assert is_dataset(folder)
    check(open_photos(folder), "saved")


def test_the_train_split_of_a_saved_dataset_is_read(datasets, rows, tmp_path):
    folder = tmp_path / "splits"
    other = make(datasets, rows).select([1])
    datasets.DatasetDict({"test": other, "train": make(datasets, rows)}).save_to_disk(folder)
    check(open_photos(folder), "splits")


def test_a_folder_of_parquet_files_is_read(datasets, rows, tmp_path):
    folder = tmp_path / "parquet"
    folder.mkdir()
    make(datasets, rows).to_parquet(folder / "train.parquet")
    assert is_dataset(folder)
    check(open_photos(folder), "parquet")


def test_a_name_is_looked_up(datasets):
    with pytest.raises(DataError, match=r"the dataset nobody/nothing cannot be loaded"):
        open_photos("hf:nobody/nothing")


def test_a_dataset_without_images_is_refused(datasets, tmp_path):
    datasets.Dataset.from_dict({"text": ["a"], "number": [1]}).save_to_disk(tmp_path / "texts")
    with pytest.raises(DataError, match="no column of images, only text, number"):
        dataset_photos(tmp_path / "texts")


def test_a_missing_split_is_named(datasets, rows, tmp_path):
    datasets.DatasetDict({"test": make(datasets, rows)}).save_to_disk(tmp_path / "test-only")
    with pytest.raises(DataError, match="cannot be loaded: 'train'"):
        dataset_photos(tmp_path / "test-only")


def test_without_the_library_the_remedy_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'linearsr\[datasets\]'"):
        dataset_photos(tmp_path)


def test_a_folder_of_images_is_no_dataset(tmp_path, png):
    Path(tmp_path / "a.png").write_bytes(png(photo(4, 4)))
    assert not is_dataset(tmp_path)
    assert len(open_photos(tmp_path)) == 1
