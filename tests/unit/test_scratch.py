from __future__ import annotations

import errno
import os

import pytest

from linearsr.errors import OutputError
from linearsr.scratch import FILE_ABOVE_BYTES, is_large, mapped_file


def test_only_what_is_larger_than_the_limit_is_large():
    assert not is_large(FILE_ABOVE_BYTES)
    assert is_large(FILE_ABOVE_BYTES + 1)


@pytest.mark.parametrize("reserves", [True, False], ids=["reserved", "written"])
def test_bytes_are_kept_and_leave_no_file_behind(monkeypatch, tmp_path, reserves):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not reserves:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    room = mapped_file(3 * 2**20 + 5)
    room[-5:] = b"photo"
    assert (len(room), bytes(room[:3]), bytes(room[-5:])) == (3 * 2**20 + 5, bytes(3), b"photo")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_clear_error(monkeypatch, tmp_path):
    def full(file, start, count):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=f"no room for 5000 MB in {tmp_path}: No space left.*TMPDIR"):
        mapped_file(5 * 10**9)
