import csv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.cli.main import run
from linearsr.data.photos import open_photos, read_photos


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with photos in ``in/`` (two good, one too small) and ``extra/`` (one)."""
    monkeypatch.chdir(tmp_path)
    for name, size in {
        "in/a.png": (40, 50),
        "in/below/b.png": (60, 40),
        "in/c.png": (9, 9),
        "extra/d.png": (44, 44),
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(photo(*size, len(name))).save(name)
    return tmp_path


def build(*arguments):
    return run(["data", "build", *arguments, "-o", "out", "--min-side", "32"])


def sides():
    return [min(item.pixels.shape[:2]) for item in read_photos("out")]


def file_sizes():
    return sum(len(file.read()) for file in open_photos("out"))


def test_build_packs_the_photos_of_all_folders(folder, capsys):
    assert build("in", "extra") == 0
    said = capsys.readouterr()
    assert "out: 3 crops of 3 photos in 1 shards, 1 too small, 0 failed" in said.out
    assert "4/4 d.png" in said.err
    assert sides() == [40, 40, 44]


def test_a_bad_photo_is_named_and_the_status_is_2(folder, capsys):
    Path("in/broken.jpg").write_bytes(b"no image")
    assert build("in", "--quiet") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0].startswith("failed: in/broken.jpg: the content")
    assert sides() == [40, 40]


def test_when_nothing_can_be_packed_the_status_is_1(folder, capsys):
    assert run(["data", "build", "in", "-o", "out", "--min-side", "1000"]) == 1
    assert "none of 3 photos can be used; lower --min-side" in capsys.readouterr().err
    assert not Path("out").exists()


def test_build_crops_reduces_and_compresses(folder):
    assert build("in", "--crop", "16", "--crops", "3", "--reduce", "0.9", "--quality", "50", "--threads", "2") == 0
    assert sides() == [16] * 6
    small = file_sizes()
    Path("out").rename("first")
    assert build("in", "--crop", "16", "--crops", "3", "--reduce", "0.9", "--quality", "100") == 0
    assert file_sizes() > 1.5 * small


def test_build_carries_licences_and_says_what_has_none(folder, capsys):
    Path("origins.csv").write_text("path,source,licence\nin/a.png,debian:a,CC0\n")
    assert build("in", "--origins", "origins.csv") == 0
    assert "warning: 2 photos have no line in origins.csv" in capsys.readouterr().err
    with Path("out/manifest.csv").open(newline="") as stream:
        assert [(row["source"], row["licence"]) for row in csv.DictReader(stream)] == [("debian:a", "CC0"), ("", "")]


def test_check_finds_built_shards_whole_and_damaged_ones_not(folder, capsys):
    assert build("in", "-q") == 0
    assert run(["data", "check", "out"]) == 0
    assert "out: 2 photos read, 0 problems" in capsys.readouterr().out
    shard = Path("out/train-0000.tar")
    content = bytearray(shard.read_bytes())
    content[600] ^= 1
    shard.write_bytes(content)
    assert run(["data", "check", "out", "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("wrong: ")


def test_check_needs_shards(folder, capsys):
    assert run(["data", "check", "in"]) == 1
    assert "manifest.csv" in capsys.readouterr().err


def test_sheet_shows_presets_and_seeds(folder, capsys):
    arguments = ["data", "sheet", "in/a.png", "-o", "sheet.png", "--side", "32", "--seeds", "2", "--seed", "3"]
    assert run(arguments) == 0
    assert "sheet.png: camera, light, web, grainy, real_esrgan, real_esrgan_heavy" in capsys.readouterr().out
    with PIL.Image.open("sheet.png") as sheet:
        every = np.asarray(sheet)
    assert run([*arguments, "--preset", "light"]) == 1  # nothing is overwritten unasked
    assert run([*arguments, "--preset", "light", "--overwrite"]) == 0
    with PIL.Image.open("sheet.png") as sheet:
        light = np.asarray(sheet)
    assert np.array_equal(light, every[60 : 60 + len(light)])
