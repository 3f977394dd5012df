"""Outputs are whole or absent: write beside the target, flush to disk, then move into place."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from linearsr.errors import OutputError


def write_atomically(path: Path, payload: bytes, *, overwrite: bool) -> None:
    """Put ``payload`` at ``path`` in one step. Raises as :func:`new_file` does."""
    with new_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(payload)


@contextlib.contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give an empty file beside ``path`` to fill; when all went well it is moved to ``path`` in one step.

    Without ``overwrite`` the move fails if the path has come to exist, even between check and write.

    Raises:
        OutputError: if the path exists and ``overwrite`` is false, or it cannot be written; nothing is left behind.
    """
    temporary = ""
    try:
        _make_folder(path.parent)
        # A short prefix: the temporary name must not be too long where the target's own is not.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.", suffix=".part")
        os.close(descriptor)
        yield Path(temporary)
        _sync(temporary, os.O_RDWR)
        os.chmod(temporary, 0o666 & ~_umask())
        _move(temporary, path, overwrite=overwrite)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise OutputError(f"{path} exists already", remedy="pass --overwrite or choose another output") from error
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", remedy="check the folder, its permissions and free space"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            if temporary:
                os.unlink(temporary)


def remove_unfinished(folder: Path) -> None:
    """Remove what kills have left in ``folder`` and below while files were written; nobody else may write there."""
    for unfinished in folder.rglob(".*.part"):
        unfinished.unlink()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # a file stands where the folder should: not the target that --overwrite is about
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder") from None


def _move(temporary: str, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, a link refuses to replace
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the check is then not one step with the move
        if path.exists():
            raise FileExistsError(path) from None
        os.rename(temporary, path)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        _sync(folder, os.O_RDONLY)


def _sync(path: str | Path, mode: int) -> None:
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
