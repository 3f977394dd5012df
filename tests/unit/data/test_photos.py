from __future__ import annotations

import numpy as np
import pytest
from small_models import photo

from linearsr.data.photo import is_validation
from linearsr.data.photos import find_images, folder_photos, open_photos, read_photos
from linearsr.errors import DataError


@pytest.fixture
def folder(tmp_path, png):
    (tmp_path / "trip/day").mkdir(parents=True)
    for seed, name in enumerate(("trip/day/b.png", "trip/a.JPG", "z.webp")):
        (tmp_path / name).write_bytes(png(photo(8, 12, seed)))
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_a_folder_gives_all_images_below_it_by_path(folder):
    files = folder_photos(folder)
    assert [file.key for file in files] == ["trip/a.JPG", "trip/day/b.png", "z.webp"]
    assert [file.validation for file in files] == [is_validation(file.key) for file in files]
    assert np.array_equal(files[1].decode().pixels, photo(8, 12, 0))


def test_the_place_tells_the_reader(folder, write_shard, png):
    assert [file.key for file in open_photos(str(folder))] == ["trip/a.JPG", "trip/day/b.png", "z.webp"]
    write_shard({"c.png": png(photo(8, 8))}, [("c", "site", "c.jpg")])
    assert [item.key for item in read_photos(folder)] == ["c"]


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_images_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"no image in the folder .*{name}"):
        find_images(tmp_path / name)


def test_an_image_that_has_gone_is_named(folder):
    files = folder_photos(folder)
    (folder / "z.webp").unlink()
    with pytest.raises(DataError, match=r"cannot read .*z\.webp: No such file"):
        files[2].decode()
