"""Which images a command line names: files, folders, globs, ``@list.txt`` and ``-`` for standard input."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from linearsr.errors import InputError
from linearsr.imaging.formats import IMAGE_SUFFIXES

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Found:
    """One image named on the command line. ``path`` is None for standard input.

    ``below`` is the image's folder relative to the folder that was scanned, so that the tree can be kept.
    ``scanned`` tells images found in a folder from those named one by one.
    """

    path: Path | None
    below: Path = Path()
    scanned: bool = False

    @property
    def name(self) -> str:
        """What messages call the image."""
        return "standard input" if self.path is None else str(self.path)


def find_inputs(arguments: Sequence[str], *, recursive: bool = False) -> list[Found]:
    """Return every image the arguments name, each once, in a stable order.

    Raises:
        InputError: if an argument names nothing, or standard input is mixed with other images.
    """
    found = list(dict.fromkeys(image for argument in arguments for image in _expand(argument, recursive)))
    if not found:
        raise InputError("no input image", remedy="name a file, a folder, a glob, @list.txt or -")
    if len(found) > 1 and any(image.path is None for image in found):
        raise InputError("standard input cannot be mixed with other images", remedy="pass - alone")
    return found


def _expand(argument: str, recursive: bool) -> Iterator[Found]:
    if argument == STANDARD_INPUT:
        yield Found(None)
    elif argument.startswith("@") and not Path(argument).exists():
        yield from _read_list(Path(argument[1:]), recursive)
    elif Path(argument).is_dir():
        yield from _scan(Path(argument), recursive)
    elif Path(argument).exists() or not glob.has_magic(argument):
        # A missing file is not an error yet: it is reported with the batch, which goes on without it.
        yield Found(Path(argument))
    else:
        yield from _match(argument, recursive)


def _scan(folder: Path, recursive: bool) -> Iterator[Found]:
    entries = folder.rglob("*") if recursive else folder.iterdir()
    images = sorted(path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not images:
        advice = "name another folder" if recursive else "name another folder, or pass --recursive"
        raise InputError(f"no image in the folder {folder}", remedy=advice)
    for path in images:
        yield Found(path, below=path.parent.relative_to(folder), scanned=True)


def _match(pattern: str, recursive: bool) -> Iterator[Found]:
    # Path.glob takes no absolute patterns.
    paths = sorted(Path(name) for name in glob.glob(pattern, recursive=recursive))  # noqa: PTH207
    if not paths:
        raise InputError(f"nothing matches {pattern!r}", remedy="check the pattern")
    for path in paths:
        if path.is_file():
            yield Found(path)


def _read_list(path: Path, recursive: bool) -> Iterator[Found]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the list {path}: {error}", remedy="pass @ and the name of a text file"
        ) from error
    for line in lines:
        name = line.strip()
        if name and not name.startswith("#"):
            if name == STANDARD_INPUT or name.startswith("@"):
                raise InputError(f"the list {path} holds {name!r}", remedy="list files, folders or globs")
            yield from _expand(name, recursive)
