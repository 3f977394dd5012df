"""Photos of training sets, as files."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_models import photo

from linearsr.data.photo import PhotoFile

ShardWriter = Callable[..., Path]


def encoded(pixels: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    return encoded


@pytest.fixture(scope="session")
def photo_files() -> list[PhotoFile]:
    """Six photos of several sizes, held as PNG."""
    sizes = [(70, 90), (64, 64), (80, 64), (96, 96), (64, 100), (72, 72)]
    contents = [encoded(photo(*size, seed=seed)) for seed, size in enumerate(sizes)]
    return [
        PhotoFile(key=f"photo-{number}", validation=False, read=partial(bytes, content), texture=4.0**number)
        for number, content in enumerate(contents)
    ]


@pytest.fixture
def write_shard(tmp_path) -> ShardWriter:
    """Write a tar of files by name, and a manifest of lines, into the test's folder."""

    def write(
        members: Mapping[str, bytes],
        lines: Sequence[Sequence[object]],
        columns: Sequence[str] = ("name", "source", "original"),
        shard: str = "train-0000.tar",
    ) -> Path:
        with tarfile.open(tmp_path / shard, "w") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([columns, *lines])
        return tmp_path

    return write
