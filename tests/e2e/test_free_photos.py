"""The recipe that collects free photos: what it finds in packages, and that the result can be built into shards."""

import csv
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from recipes_folder import load_recipe
from small_models import photo

from linearsr.data.build import build_shards
from linearsr.data.prepare import BuildOptions

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2020 Somebody
License: GPL-2+

Files: base/nature/stone.jpg
 base/nature/b*.png
Copyright: 2021 Another
License: CC-BY-SA-4.0
 The text of the licence.

License: GPL-2+
 More text.
"""


@pytest.fixture
def recipe():
    return load_recipe("free_photos")


def encoded(pixels, form, **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def large(seed):
    return np.asarray(PIL.Image.fromarray(photo(96, 96, seed)).resize((400, 400)))


@pytest.fixture
def unpacked(tmp_path):
    """The files of a package named photos: an image of its own, others in a zip archive and a Qt resource file."""
    root = tmp_path / "unpacked"
    (root / "usr/share/doc/photos").mkdir(parents=True)
    (root / "usr/share/doc/photos/copyright").write_text(COPYRIGHT)
    folder = root / "usr/share/photos/nature"
    folder.mkdir(parents=True)
    (folder / "stone.jpg").write_bytes(encoded(large(0), "JPEG"))
    (folder / "small.png").write_bytes(encoded(photo(60, 60), "PNG"))
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "link.jpg").symlink_to(folder / "stone.jpg")
    with zipfile.ZipFile(root / "usr/share/photos/0.pk3", "w") as archive:
        archive.writestr("nature/bark.png", encoded(large(1), "PNG"))
        archive.writestr("nature/bark_nm.png", encoded(large(2), "PNG"))
        archive.writestr("nature/readme.txt", "no image")
    inner = encoded(large(3), "WEBP"), encoded(large(4), "JPEG")
    (folder.parent / "nature.rcc").write_bytes(b"qres" + inner[0] + b"\0\xff\xd8\xff rest" + inner[1] + b"tail")
    return root


def package(recipe, **changes):
    return recipe.Package(**{"name": "photos", "include": ("*nature*",), "exclude": ("*_nm.*",)} | changes)


def test_images_of_files_archives_and_resources_are_collected_with_their_licences(recipe, unpacked, tmp_path):
    rows = recipe.collect(package(recipe), unpacked, tmp_path / "out")
    base = "usr/share/photos"
    assert [(original, licence) for _, licence, original, _ in rows] == [
        (f"{base}/0.pk3/nature/bark.png", "CC-BY-SA-4.0"),
        (f"{base}/nature/stone.jpg", "CC-BY-SA-4.0"),
        (f"{base}/nature.rcc/0000.webp", "GPL-2+"),
        (f"{base}/nature.rcc/0001.jpg", "GPL-2+"),
    ]
    assert {kind for *_, kind in rows} == {"photo"}
    assert all((tmp_path / "out" / path).stat().st_size > 1000 for path, *_ in rows)
    assert (tmp_path / "out/licences/photos").read_text() == COPYRIGHT


def test_prose_licences_are_those_of_the_table(recipe, unpacked, tmp_path):
    assert recipe.read_licences("This is free.\n\nLicense:\n  Public Domain\n") == []
    rows = recipe.collect(package(recipe, licence="Public Domain"), unpacked, tmp_path / "out")
    assert {licence for _, licence, *_ in rows} == {"Public Domain"}
    assert recipe.licence_of("a/b.png", []) == ""


def test_a_picture_inside_a_jpeg_does_not_end_it(recipe):
    thumbnail = encoded(photo(16, 16), "JPEG")
    whole = encoded(photo(64, 64), "JPEG")
    # An application block with the thumbnail, right after the start marker.
    nested = whole[:2] + b"\xff\xef" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + whole[2:]
    assert list(recipe.carve(b"head" + nested + b"tail")) == [nested]
    assert list(recipe.carve(b"\xff\xd8\xff never ends")) == []


def test_all_of_it_becomes_shards_with_sources_and_licences(recipe, unpacked, tmp_path, monkeypatch):
    def download(name, folder):
        return "1.0-1", unpacked

    monkeypatch.setattr(recipe, "PACKAGES", (package(recipe),))
    monkeypatch.setattr(recipe, "download", download)
    monkeypatch.setattr(sys, "argv", ["free_photos", str(tmp_path / "out"), "photos"])
    recipe.main()
    options = BuildOptions(min_side=384)
    report = build_shards([tmp_path / "out/photos"], tmp_path / "shards", options, origins=tmp_path / "out/origins.csv")
    assert (report.crops, report.without_origin) == (4, 0)
    with (tmp_path / "shards/manifest.csv").open(newline="") as stream:
        described = {(row["source"], row["licence"]) for row in csv.DictReader(stream)}
    assert described == {("debian:photos=1.0-1", "CC-BY-SA-4.0"), ("debian:photos=1.0-1", "GPL-2+")}


def test_an_unknown_package_is_named(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["free_photos", str(tmp_path), "nothing"])
    with pytest.raises(SystemExit):
        recipe.main()
    assert "unknown packages: nothing" in capsys.readouterr().err


def test_packages_are_fetched_once_and_unpacked(recipe, tmp_path, monkeypatch):
    commands = []

    def run(command, cwd=None, check=False):
        commands.append(command[0])
        if command[0] == "apt-get":
            (Path(cwd) / "photos_4%3a1.0-1_all.deb").touch()
        else:
            command[3].mkdir()

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        assert recipe.download("photos", tmp_path / "packages") == ("4:1.0-1", tmp_path / "packages/photos")
    assert commands == ["apt-get", "dpkg"]
