from __future__ import annotations

import csv
import io
import tarfile

import numpy as np
import pytest
from PIL import Image
from small_models import photo

from linearsr.data.photos import is_validation, read_photos
from linearsr.errors import DataError, ImageError


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write(folder, members, lines, columns=("name", "source", "original"), shard="train-0000.tar"):
    with tarfile.open(folder / shard, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *lines])


def test_every_photo_of_every_shard_is_read_with_its_split(tmp_path):
    pictures = {f"{name}.png": photo(8, 12, seed) for seed, name in enumerate("abc")}
    lines = [(name, "site", f"{name}.jpg") for name in "abc"]
    encoded = {name: png(pixels) for name, pixels in pictures.items()}
    write(tmp_path, {"c.png": encoded.pop("c.png")}, lines, shard="train-0001.tar")
    write(tmp_path, encoded, lines)
    photos = list(read_photos(tmp_path))
    assert [item.key for item in photos] == ["a", "b", "c"]
    assert all(np.array_equal(item.pixels, pictures[f"{item.key}.png"]) for item in photos)
    assert [item.validation for item in photos] == [is_validation(f"site/{name}.jpg") for name in "abc"]


def test_crops_of_one_original_fall_on_the_same_side(tmp_path):
    held_out = next(f"{number}.jpg" for number in range(1000) if is_validation(f"site/{number}.jpg"))
    kept = next(f"{number}.jpg" for number in range(1000) if not is_validation(f"site/{number}.jpg"))
    lines = [("a", "site", held_out), ("b", "site", held_out), ("c", "site", kept)]
    write(tmp_path, {f"{name}.png": png(photo(4, 4)) for name in "abc"}, lines)
    assert [item.validation for item in read_photos(tmp_path)] == [True, True, False]


def test_validation_is_a_fixed_few_percent():
    assert 0.02 < sum(is_validation(f"photo-{number}") for number in range(5000)) / 5000 < 0.04


def test_photo_without_a_line_in_the_manifest_is_named(tmp_path):
    write(tmp_path, {"a.png": png(photo(4, 4)), "b.png": png(photo(4, 4))}, [("a", "site", "x")])
    with pytest.raises(DataError, match=r"b in train-0000\.tar is not in manifest\.csv"):
        list(read_photos(tmp_path))


def test_folder_without_shards_is_named(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        list(read_photos(tmp_path))


def test_missing_manifest_and_missing_column_are_named(tmp_path):
    write(tmp_path, {}, [("a", "site")], columns=("name", "source"))
    with pytest.raises(DataError, match=r"manifest\.csv: 'original'"):
        list(read_photos(tmp_path))
    (tmp_path / "manifest.csv").unlink()
    with pytest.raises(DataError, match=r"cannot read .*manifest\.csv"):
        list(read_photos(tmp_path))


def test_damaged_photo_is_an_image_error(tmp_path):
    write(tmp_path, {"a.png": png(photo(16, 16))[:60]}, [("a", "site", "x")])
    with pytest.raises(ImageError):
        list(read_photos(tmp_path))
