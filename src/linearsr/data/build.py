"""Training shards from folders of photos: drop duplicates, crop, encode, pack, and list all in a manifest.

The result is a function of the photos and the options, whatever the number of threads. It is put together in a hidden
folder beside the output and moved there at the end: a killed run leaves no shard.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tarfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from linearsr.data.duplicates import Duplicates
from linearsr.data.origins import Origin, read_origins
from linearsr.data.photos import find_images
from linearsr.data.prepare import FORMAT, BuildOptions, Crop, Prepared, content_hash, prepare
from linearsr.data.shards import MANIFEST_NAME
from linearsr.errors import DataError, LinearSRError, OutputError

SHARD_BYTES = 48 * 2**20
COLUMNS = ("name", "shard", "side", "source", "licence", "original", "kind", "scale", "texture", "content", "sha256")
Outcome = Prepared | LinearSRError
Progress = Callable[[Path, int, int], None]


@dataclass
class BuildReport:
    """What has become of the photos; ``left_out`` counts those that were left out on purpose, by reason."""

    photos: int = 0
    crops: int = 0
    shards: int = 0
    without_origin: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Path, LinearSRError]] = field(default_factory=list)


def build_shards(
    folders: Sequence[Path],
    out: Path,
    options: BuildOptions,
    *,
    origins: Path | None = None,
    threads: int = 1,
    progress: Progress = lambda path, number, total: None,
) -> BuildReport:
    """Write shards and a manifest of all photos in the folders to the new folder ``out``.

    Args:
        folders: folders of photos, with all below them.
        out: must not exist, or be an empty folder.
        options: what becomes of a photo.
        origins: the CSV that :func:`~linearsr.data.origins.read_origins` reads; without it sources stay empty.
        threads: photos worked on at the same time.
        progress: called with each photo, its number and their total.

    Raises:
        DataError: if there is no photo to pack, or the CSV cannot be read.
        OutputError: if ``out`` exists, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists already", remedy="remove it or choose another output")
    known = {} if origins is None else read_origins(origins)
    photos = {path: _origin(path, folder, known) for folder in folders for path in find_images(folder)}
    report = BuildReport(without_origin=0 if origins is None else sum(path.resolve() not in known for path in photos))
    workplace = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(workplace, ignore_errors=True)  # of a run that was killed
        workplace.mkdir(parents=True)
        _pack(photos, workplace, options, threads, report, progress)
        workplace.replace(out)
    except OSError as error:
        raise OutputError(
            f"cannot write {out}: {error.strerror or error}", remedy="check the folder, its permissions and free space"
        ) from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return report


def _origin(path: Path, folder: Path, known: dict[Path, Origin]) -> Origin:
    below = path.relative_to(folder).as_posix()
    return known.get(path.resolve(), Origin(original=f"{folder.resolve().name}/{below}"))


def _pack(
    photos: dict[Path, Origin],
    folder: Path,
    options: BuildOptions,
    threads: int,
    report: BuildReport,
    progress: Progress,
) -> None:
    duplicates = Duplicates()
    rows: dict[str, tuple[object, ...]] = {}
    with _Shards(folder) as shards:
        outcomes = _in_order(lambda path: prepare(path, options), list(photos), threads)
        for number, ((path, origin), outcome) in enumerate(zip(photos.items(), outcomes, strict=True), start=1):
            progress(path, number, len(photos))
            for crop in _kept(path, outcome, duplicates, report):
                assert isinstance(outcome, Prepared), "only prepared photos have crops"
                digest = content_hash(crop.payload)
                name = digest[:16]
                if name not in rows:  # a pattern that repeats gives equal crops
                    shard = shards.add(f"{name}{FORMAT.suffix}", crop.payload)
                    described = (origin.source, origin.licence, origin.original, origin.kind)
                    measured = (f"{options.reduce:g}", f"{crop.texture:.2f}", outcome.fingerprint.content, digest)
                    rows[name] = (name, shard, crop.side, *described, *measured)
    if not rows:
        raise DataError(f"none of {len(photos)} photos can be used", remedy=_advice(report))
    report.crops, report.shards = len(rows), shards.count
    _write_manifest(folder / MANIFEST_NAME, rows.values())


def _kept(path: Path, outcome: Outcome, duplicates: Duplicates, report: BuildReport) -> tuple[Crop, ...]:
    """Return the crops to pack; note in the report why there are none."""
    if isinstance(outcome, LinearSRError):
        report.failures.append((path, outcome))
        return ()
    reason = "too small" if not outcome.crops else duplicates.find(outcome.fingerprint)
    if reason is not None:
        report.left_out[reason] += 1
        return ()
    report.photos += 1
    return outcome.crops


def _advice(report: BuildReport) -> str:
    if report.failures:
        path, error = report.failures[0]
        return f"{path}: {error}"
    return "lower --min-side and --crop"


def _write_manifest(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
        stream.flush()
        os.fsync(stream.fileno())


class _Shards:
    """Tar files in a folder, a new one whenever the last is full. Nothing in them depends on time or user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: tuple[tarfile.TarFile, BinaryIO] | None = None
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def add(self, name: str, payload: bytes) -> int:
        """Append a file and return the number of its shard."""
        archive = self._archive(len(payload))
        member = tarfile.TarInfo(name)
        member.size = len(payload)
        archive.addfile(member, io.BytesIO(payload))
        return self.count - 1

    def _archive(self, needed: int) -> tarfile.TarFile:
        if self._open is not None and self._open[0].offset + needed <= SHARD_BYTES:
            return self._open[0]
        self._close()
        stream = (self._folder / f"train-{self.count:04d}.tar").open("wb")
        self._open = (tarfile.TarFile(fileobj=stream, mode="w"), stream)
        self.count += 1
        return self._open[0]

    def _close(self) -> None:
        if self._open is None:
            return
        archive, stream = self._open
        self._open = None
        with stream:
            archive.close()
            stream.flush()
            os.fsync(stream.fileno())


def _in_order(work: Callable[[Path], Outcome], items: Sequence[Path], threads: int) -> Iterator[Outcome]:
    """Map in threads, a few items ahead; results come in the order of the items."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Outcome]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
