from __future__ import annotations

import hashlib

import numpy as np
import pytest
from small_models import photo

from linearsr.data.photo import is_validation
from linearsr.data.shards import check_shards, is_held_out, shard_photos
from linearsr.errors import DataError, LinearSRError

BLOCK = 512


@pytest.fixture
def shards(write_shard, png):
    """A folder with one shard of three photos."""
    members = {f"{name}.png": png(photo(40, 40, seed)) for seed, name in enumerate("abc")}
    return write_shard(members, [(name, "site", f"{name}.jpg") for name in "abc"])


def problems(folder):
    return list(check_shards(folder, lambda key: None))


def test_every_photo_of_every_shard_is_found_with_its_split(write_shard, png):
    pictures = {f"{name}.png": photo(8, 12, seed) for seed, name in enumerate("abc")}
    lines = [(name, "site", f"{name}.jpg") for name in "abc"]
    files = {name: png(pixels) for name, pixels in pictures.items()}
    write_shard({"c.png": files.pop("c.png")}, lines, shard="train-0001.tar")
    found = shard_photos(write_shard(files, lines))
    assert [file.key for file in found] == ["a", "b", "c"]
    assert all(np.array_equal(file.decode().pixels, pictures[f"{file.key}.png"]) for file in found)
    assert [file.validation for file in found] == [is_validation(f"site/{name}.jpg") for name in "abc"]
    assert {file.texture for file in found} == {None}


def test_crops_of_one_original_fall_on_the_same_side(write_shard, png):
    held_out = next(f"{number}.jpg" for number in range(1000) if is_validation(f"site/{number}.jpg"))
    kept = next(f"{number}.jpg" for number in range(1000) if not is_validation(f"site/{number}.jpg"))
    lines = [("a", "site", held_out), ("b", "site", held_out), ("c", "site", kept)]
    folder = write_shard({f"{name}.png": png(photo(4, 4)) for name in "abc"}, lines)
    assert [file.validation for file in shard_photos(folder)] == [True, True, False]


def test_the_content_decides_the_split_where_it_is_known():
    held_out = next(str(number) for number in range(1000) if is_validation(str(number)))
    kept = next(str(number) for number in range(1000) if not is_validation(str(number)))
    assert is_held_out({"content": held_out, "source": "", "original": ""})
    assert not is_held_out({"content": kept, "source": "", "original": ""})


def test_texture_comes_with_the_photo(write_shard, png):
    folder = write_shard(
        {"a.png": png(photo(4, 4))}, [("a", "", "x", "7.5")], columns=("name", "source", "original", "texture")
    )
    assert shard_photos(folder)[0].texture == 7.5


def test_photo_without_a_line_in_the_manifest_is_named(write_shard, png):
    folder = write_shard({"a.png": png(photo(4, 4)), "b.png": png(photo(4, 4))}, [("a", "site", "x")])
    with pytest.raises(DataError, match=r"b in train-0000\.tar is not in manifest\.csv"):
        shard_photos(folder)


def test_lines_without_a_photo_are_named(write_shard, png):
    folder = write_shard({"a.png": png(photo(4, 4))}, [("a", "", "x"), ("c", "", "x"), ("b", "", "x")])
    with pytest.raises(DataError, match=r"2 photos of .*manifest\.csv are in no shard, among them b"):
        shard_photos(folder)


def test_folder_without_shards_is_named(tmp_path, write_shard):
    (write_shard({}, []) / "train-0000.tar").unlink()
    with pytest.raises(DataError, match=f"no .*tar shard in {tmp_path}"):
        shard_photos(tmp_path)


def test_missing_manifest_and_missing_column_are_named(write_shard):
    folder = write_shard({}, [("a", "site")], columns=("name", "source"))
    with pytest.raises(DataError, match=r"manifest\.csv: 'original'"):
        shard_photos(folder)
    (folder / "manifest.csv").unlink()
    with pytest.raises(DataError, match=r"cannot read .*manifest\.csv"):
        shard_photos(folder)


@pytest.mark.parametrize("place", ["start", "second header"])
def test_an_overwritten_header_is_our_error(shards, place):
    shard = shards / "train-0000.tar"
    content = bytearray(shard.read_bytes())
    start = 0 if place == "start" else content.index(b"b.png")
    content[start : start + 200] = b"\xff" * 200
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"the shard .*train-0000\.tar cannot be read"):
        shard_photos(shards)


def test_a_shard_cut_off_anywhere_is_our_error(shards):
    shard = shards / "train-0000.tar"
    whole = shard.read_bytes()
    last = whole.index(b"c.png")
    assert problems(shards) == []
    for length in [*range(0, last + 1024, 200), last, last + BLOCK]:
        shard.write_bytes(whole[:length])
        with pytest.raises(DataError):
            shard_photos(shards)


def test_a_shard_cut_off_or_gone_while_it_is_in_use_is_our_error(shards):
    shard = shards / "train-0000.tar"
    files = shard_photos(shards)
    shard.write_bytes(shard.read_bytes()[:BLOCK])
    with pytest.raises(DataError, match="cut off"):
        files[0].decode()
    shard.unlink()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        files[0].decode()


def test_flipped_bits_never_give_another_error_than_ours(shards):
    shard = shards / "train-0000.tar"
    whole = shard.read_bytes()
    random = np.random.default_rng(0)
    noticed = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
        shard.write_bytes(damaged)
        try:
            for file in shard_photos(shards):
                file.decode()
        except LinearSRError:
            noticed += 1
    assert noticed > 50


def test_check_finds_nothing_wrong_with_a_whole_folder(shards):
    read = []
    assert list(check_shards(shards, read.append)) == []
    assert read == ["a", "b", "c"]


def test_check_names_every_difference(write_shard, png):
    files = {"a.png": png(photo(40, 40)), "b.png": png(photo(40, 40))[:70], "c.png": png(photo(30, 60))}
    right = hashlib.sha256(files["a.png"]).hexdigest()
    lines = [("a", "", "x", 40, right), ("b", "", "x", 40, ""), ("c", "", "x", 40, right), ("d", "", "x", 40, "")]
    folder = write_shard(files, lines, columns=("name", "source", "original", "side", "sha256"))
    write_shard(
        {"a.png": files["a.png"]}, lines, columns=("name", "source", "original", "side", "sha256"), shard="x.tar"
    )
    assert [problem.split(" (")[0] for problem in problems(folder)] == [
        "train-0000.tar: photo b: the PNG is damaged or cut off",
        "c in train-0000.tar is not the file that the manifest was written for",
        "c in train-0000.tar has a shorter side of 30 pixels, not 40 as in the manifest",
        "a in x.tar is there twice",
        "d of manifest.csv is in no shard",
    ]


def test_check_goes_on_after_a_damaged_shard(shards):
    (shards / "a-first.tar").write_bytes(b"\xff" * 2000)
    found = problems(shards)
    assert len(found) == 1
    assert "a-first.tar cannot be read" in found[0]
