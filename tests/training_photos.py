"""Shards of small real photos: crops of the example picture, some of them held out for validation."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import PIL.Image

from linearsr.data.photos import is_validation

PICTURE = Path(__file__).parents[1] / "examples/chelsea.png"
SOURCE = "camera"


def write_shards(folder: Path, *, photos: int = 3, side: int = 128) -> Path:
    """Write one tar with ``photos`` crops to train on and one held out, and the manifest beside it."""
    folder.mkdir(parents=True)
    names = [f"{index:012x}" for index in range(200)]
    held_out = [name for name in names if is_validation(f"{SOURCE}/{name}.jpg")]
    chosen = [held_out[0], *[name for name in names if name not in held_out][:photos]]
    with PIL.Image.open(PICTURE) as picture, tarfile.open(folder / "train-0000.tar", "w") as archive:
        for index, name in enumerate(chosen):
            left, top = 40 * index, 30 * index % (picture.height - side)
            stream = io.BytesIO()
            picture.convert("RGB").crop((left, top, left + side, top + side)).save(stream, "webp", lossless=True)
            member = tarfile.TarInfo(f"{name}.webp")
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("name", "source", "licence", "original"))
        writer.writerows((name, SOURCE, "CC0", f"{name}.jpg") for name in chosen)
    return folder
