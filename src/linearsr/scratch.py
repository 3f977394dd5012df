"""Memory for large arrays that need not stay in main memory: a mapped file without a name.

The system writes its pages to disk and drops them when others need the memory. The file's room is reserved at once, so
that a full disk is an error here and not a crash later.
"""

from __future__ import annotations

import mmap
import os
import tempfile

from linearsr.errors import OutputError

FILE_ABOVE_BYTES = 2**27
"""Larger arrays go to a file. As much are the tokens of a result of 128 megapixels in the embedded model's float32."""
_CHUNK = bytes(2**20)


def is_large(count: int) -> bool:
    """Whether an array of ``count`` bytes belongs in a file."""
    return count > FILE_ABOVE_BYTES


def mapped_file(count: int) -> mmap.mmap:
    """Return ``count`` bytes to read and write, which are gone with the last reference to them.

    Raises:
        OutputError: if the disk has no room for them.
    """
    with tempfile.TemporaryFile() as file:
        try:
            _reserve(file.fileno(), count)
        except OSError as error:
            raise OutputError(
                f"no room for {count / 1e6:.0f} MB in {tempfile.gettempdir()}: {error.strerror}",
                remedy="free some, or set TMPDIR to a folder on a larger disk",
            ) from error
        return mmap.mmap(file.fileno(), count)


def _reserve(file: int, count: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, count)
        return
    while count:  # macOS and Windows
        count -= os.write(file, _CHUNK[:count])
