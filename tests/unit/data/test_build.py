from __future__ import annotations

import csv
import hashlib

import numpy as np
import pytest
from small_models import photo

import linearsr.data.build
from linearsr.data.build import build_shards
from linearsr.data.photo import is_validation
from linearsr.data.photos import read_photos
from linearsr.data.prepare import BuildOptions
from linearsr.data.shards import check_shards, shard_photos
from linearsr.errors import DataError, ImageError, OutputError

OPTIONS = BuildOptions(min_side=32)


@pytest.fixture
def folder(tmp_path, png):
    """Five photos, of which one is too small, one there twice and one broken."""
    photos = {
        "a.png": png(photo(48, 64, 0)),
        "deep/er/b.jpg": png(photo(50, 50, 1), "JPEG", quality=95),
        "deep/small.png": png(photo(20, 90, 2)),
        "twice.png": png(photo(48, 64, 0)),
        "z-broken.png": b"no image",
    }
    for name, content in photos.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "in"


def rows(out):
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def contents(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_photos_of_a_tree_become_shards_that_can_be_read(folder, tmp_path):
    out = tmp_path / "made/out"
    seen = []
    report = build_shards([folder], out, OPTIONS, progress=lambda path, number, total: seen.append((number, total)))
    assert (report.photos, report.crops, report.shards) == (2, 2, 1)
    assert report.left_out == {"too small": 1, "duplicate": 1}
    ((path, error),) = report.failures
    assert path.name == "z-broken.png"
    assert isinstance(error, ImageError)
    assert seen == [(number, 5) for number in range(1, 6)]
    assert list(check_shards(out, lambda key: None)) == []
    assert [item.pixels.shape for item in read_photos(out)] == [(48, 64, 3), (50, 50, 3)]
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


def test_the_manifest_describes_every_crop(folder, tmp_path):
    build_shards([folder], tmp_path / "out", BuildOptions(min_side=16, crop=16, crops=2, reduce=0.9))
    lines = rows(tmp_path / "out")
    assert len(lines) == 6
    assert [line["original"] for line in lines[::2]] == ["in/a.png", "in/deep/er/b.jpg", "in/deep/small.png"]
    assert {line["source"] + line["licence"] for line in lines} == {""}
    assert {(line["side"], line["scale"], line["kind"], line["shard"]) for line in lines} == {
        ("16", "0.9", "photo", "0")
    }
    for file, line in zip(shard_photos(tmp_path / "out"), lines, strict=True):
        assert hashlib.sha256(file.read()).hexdigest() == line["sha256"]
        assert line["name"] == file.key == line["sha256"][:16]
        assert file.texture == float(line["texture"]) > 0


def test_all_crops_of_an_original_are_on_the_side_that_its_content_decides(folder, tmp_path):
    build_shards([folder], tmp_path / "out", BuildOptions(min_side=16, crop=16, crops=2))
    lines = rows(tmp_path / "out")
    assert lines[0]["content"] == lines[1]["content"] != lines[2]["content"]
    for file, line in zip(shard_photos(tmp_path / "out"), lines, strict=True):
        assert file.validation == is_validation(line["content"])


def test_sources_and_licences_are_carried(folder, tmp_path):
    table = tmp_path / "origins.csv"
    table.write_text("path,source,licence,original,kind\nin/a.png,debian:x,CC0,usr/a.png,texture\n")
    report = build_shards([folder], tmp_path / "out", OPTIONS, origins=table)
    first, second = rows(tmp_path / "out")
    described = ("source", "licence", "original", "kind")
    assert [first[column] for column in described] == ["debian:x", "CC0", "usr/a.png", "texture"]
    assert [second[column] for column in described] == ["", "", "in/deep/er/b.jpg", "photo"]
    assert report.without_origin == 4


def test_bytes_do_not_depend_on_the_number_of_threads(folder, tmp_path):
    for threads in (1, 4):
        build_shards([folder], tmp_path / f"out{threads}", OPTIONS, threads=threads)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out4")


def test_a_full_shard_is_followed_by_another(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(linearsr.data.build, "SHARD_BYTES", 5000)
    report = build_shards([folder], tmp_path / "out", BuildOptions(min_side=16, crop=16, crops=9))
    assert report.shards > 2
    assert report.shards == len(list((tmp_path / "out").glob("train-*.tar")))
    assert list(check_shards(tmp_path / "out", lambda key: None)) == []
    assert sorted({int(line["shard"]) for line in rows(tmp_path / "out")}) == list(range(report.shards))


def test_equal_crops_of_a_pattern_are_packed_once(tmp_path, png):
    (tmp_path / "in").mkdir()
    tile = photo(16, 16)
    (tmp_path / "in/pattern.png").write_bytes(png(np.tile(tile, (3, 3, 1))))
    report = build_shards([tmp_path / "in"], tmp_path / "out", BuildOptions(min_side=16, crop=16, crops=9))
    assert report.crops == 1
    assert list(check_shards(tmp_path / "out", lambda key: None)) == []


def test_nothing_is_overwritten(folder, tmp_path):
    for name in ("file", "full"):
        path = tmp_path / name
        if name == "file":
            path.write_text("mine")
        else:
            path.mkdir()
            (path / "mine").touch()
        with pytest.raises(OutputError, match=f"{name} exists already"):
            build_shards([folder], path, OPTIONS)
    (tmp_path / "empty").mkdir()
    assert build_shards([folder], tmp_path / "empty", OPTIONS).crops == 2


def test_when_no_photo_is_left_the_first_reason_is_said(folder, tmp_path, png):
    with pytest.raises(DataError, match=r"none of 5 photos can be used; .*z-broken\.png: the content"):
        build_shards([folder], tmp_path / "out", BuildOptions(min_side=500))
    (folder / "z-broken.png").write_bytes(png(photo(4, 4)))
    with pytest.raises(DataError, match="none of 5 photos can be used; lower --min-side"):
        build_shards([folder], tmp_path / "out", BuildOptions(min_side=500))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_that_cannot_be_made_is_our_error(folder, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*file/out"):
        build_shards([folder], tmp_path / "file/out", OPTIONS)


def test_leftovers_of_a_killed_run_are_cleared(folder, tmp_path):
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part/train-0007.tar").write_bytes(b"torn")
    build_shards([folder], tmp_path / "out", OPTIONS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert sorted(contents(tmp_path / "out")) == ["manifest.csv", "train-0000.tar"]
