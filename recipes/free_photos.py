"""Collect free photos and photographic textures from Debian packages, with the licence of each.

    python recipes/free_photos.py OUT [PACKAGE ...]
    linearsr data build OUT/photos -o SHARDS --origins OUT/origins.csv --min-side 384 --crop 384 --crops 4

Needs apt-get and dpkg; nothing is installed. Every package is downloaded to OUT/packages and unpacked there. Its
images go to OUT/photos/PACKAGE, its copyright file to OUT/licences, and a line for each image to OUT/origins.csv.
Licences are those of the package's machine-readable copyright file (a pattern of it, or the whole), else the package's
statement as noted below.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from linearsr.errors import LinearSRError
from linearsr.imaging.codec import decode_rgb8, read_header
from linearsr.imaging.formats import IMAGE_SUFFIXES

SMALLEST = 384
"""Shorter side of the images that are kept."""
MAX_JPEG_ENDS = 16


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package; ``include`` are patterns of the paths inside it (and inside its archives) that are photos.

    ``licence`` is for packages whose copyright file says it in prose.
    """

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    kind: str = "photo"
    licence: str = ""


PACKAGES = (
    Package(name="gcompris-qt-data", include=("*explore_*.rcc/*", "*details.rcc/*", "*erase.rcc/*")),
    Package(name="krank", include=("*/unera-backgrounds/*",), licence="Public Domain"),
    Package(name="lomiri-wallpapers-16.04", include=("*/backgrounds/*",)),
    Package(name="mate-backgrounds", include=("*/nature/*",)),
    Package(name="kphotoalbum", include=("*/demo/*",), licence="GPL-2+"),
    Package(name="palapeli-data", include=("*/collection/*",)),
    Package(name="libjxl-testdata", include=("*/wesaturate/*",)),
    Package(
        name="plasma-workspace-wallpapers",
        include=tuple(f"*/wallpapers/{name}/*" for name in ("Autumn", "FallenLeaf", "Grey", "ColorfulCups")),
    ),
    Package(
        name="ufoai-textures",
        include=tuple(f"*/textures/tex_{name}/*" for name in ("nature", "streets", "terrain", "dirt", "material")),
        exclude=("*_nm.*", "*_sm.*", "*_gm.*", "*_rm.*"),
        kind="texture",
    ),
)


def main() -> None:
    """Download, unpack and collect the packages named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=", ".join(p.name for p in PACKAGES))
    arguments = parser.parse_args()
    unknown = set(arguments.packages) - {package.name for package in PACKAGES}
    if unknown:
        parser.error(f"unknown packages: {', '.join(sorted(unknown))}")
    chosen = [package for package in PACKAGES if not arguments.packages or package.name in arguments.packages]
    rows = []
    for package in chosen:
        version, unpacked = download(package.name, arguments.out / "packages")
        found = collect(package, unpacked, arguments.out)
        rows += [(path, f"debian:{package.name}={version}", *described) for path, *described in found]
        print(f"{package.name} {version}: {len(found)} images")
    with (arguments.out / "origins.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "source", "licence", "original", "kind"), *rows])


def download(name: str, folder: Path) -> tuple[str, Path]:
    """Fetch and unpack a package, unless it is there; return its version and the folder of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(f"{name}_*.deb")):
        subprocess.run(["apt-get", "download", "--quiet", name], cwd=folder, check=True)
    archive = max(folder.glob(f"{name}_*.deb"))
    unpacked = folder / name
    if not unpacked.exists():
        subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    return archive.name.split("_")[1].replace("%3a", ":"), unpacked


def collect(package: Package, unpacked: Path, out: Path) -> list[tuple[str, str, str, str]]:
    """Copy a package's photos to ``out`` and return (path below out, licence, path in the package, kind) of each."""
    copyright_file = unpacked / "usr/share/doc" / package.name / "copyright"
    (out / "licences").mkdir(parents=True, exist_ok=True)
    shutil.copy(copyright_file, out / "licences" / package.name)
    licences = read_licences(copyright_file.read_text(encoding="utf-8"))
    rows = []
    for original, content in images(unpacked):
        wanted = any(fnmatch(original, pattern) for pattern in package.include)
        if not wanted or any(fnmatch(original, pattern) for pattern in package.exclude) or not is_large(content):
            continue
        path = Path("photos", package.name, original.replace("/", "_"))
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
        rows.append((path.as_posix(), package.licence or licence_of(original, licences), original, package.kind))
    return rows


def images(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every image in a folder, in its zip archives (.pk3) and Qt resources (.rcc)."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".pk3":
            with zipfile.ZipFile(path) as archive:
                for member in sorted(archive.namelist()):
                    if Path(member).suffix.lower() in IMAGE_SUFFIXES:
                        yield f"{name}/{member}", archive.read(member)
        elif path.suffix == ".rcc":
            for number, content in enumerate(carve(path.read_bytes())):
                yield f"{name}/{number:04d}{'.webp' if content[:4] == b'RIFF' else '.jpg'}", content
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            yield name, path.read_bytes()


def carve(container: bytes) -> Iterator[bytes]:
    """Cut WebP and JPEG files out of a container that stores them as they are."""
    position = 0
    while found := re.compile(rb"RIFF.{4}WEBP|\xff\xd8\xff", re.DOTALL).search(container, position):
        content = _carved(container, found.start())
        position = found.start() + max(len(content), 1)
        if content:
            yield content


def _carved(container: bytes, start: int) -> bytes:
    """The file that starts there, or nothing. A JPEG may hold another in its header, so its first end may be wrong."""
    if container[start : start + 4] == b"RIFF":
        return container[start : start + 8 + struct.unpack_from("<I", container, start + 4)[0]]
    end = start
    for _ in range(MAX_JPEG_ENDS):
        end = container.find(b"\xff\xd9", end) + 2
        if end == 1:
            break
        if is_readable(container[start:end]):
            return container[start:end]
    return b""


def is_readable(content: bytes) -> bool:
    """Tell whether an image decodes without an error."""
    try:
        decode_rgb8(content)
    except LinearSRError:
        return False
    return True


def is_large(content: bytes) -> bool:
    """Tell whether an image is of use: it has a header that can be read and enough pixels."""
    try:
        header = read_header(content)
    except LinearSRError:
        return False
    return min(header.width, header.height) >= SMALLEST


def read_licences(text: str) -> list[tuple[str, str]]:
    """Patterns of files and their licences in a machine-readable copyright file, in order; none for prose."""
    licences = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(Files|License):((?:.*\n?)(?:[ \t].*\n?)*)", paragraph, re.MULTILINE))
        if "Files" in fields and "License" in fields:
            licence = fields["License"].strip().splitlines()[0].strip()
            licences += [(pattern, licence) for pattern in fields["Files"].split()]
    return licences


def licence_of(path: str, licences: list[tuple[str, str]]) -> str:
    """The licence of the last pattern that fits, by its last two parts, or by name: patterns are of source trees."""
    fitting = [
        licence
        for pattern, licence in licences
        if fnmatch(path, "*" + "/".join(pattern.split("/")[-2:])) or Path(path).name == Path(pattern).name
    ]
    return fitting[-1] if fitting else ""


if __name__ == "__main__":
    main()
