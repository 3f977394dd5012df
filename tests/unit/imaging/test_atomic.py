import errno
import os
import resource
import stat
import threading
from types import SimpleNamespace

import pytest

from linearsr.errors import OutputError
from linearsr.imaging import atomic
from linearsr.imaging.atomic import write_atomically

OLD, NEW = b"old payload", b"new payload" * 1000


@pytest.fixture
def refuse_links(monkeypatch):
    """Behave like a file system without hard links."""

    def link(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(atomic.os, "link", link)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_new_file_is_written_whole_with_the_usual_permissions(overwrite, tmp_path):
    path = tmp_path / "deep" / "er" / "out.png"
    mask = os.umask(0o027)
    try:
        write_atomically(path, NEW, overwrite=overwrite)
    finally:
        os.umask(mask)
    assert contents(path.parent) == {"out.png": NEW}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(OLD)
    with pytest.raises(OutputError, match=r"out\.png exists already") as caught:
        write_atomically(path, NEW, overwrite=False)
    assert "--overwrite" in caught.value.remedy
    assert contents(tmp_path) == {"out.png": OLD}
    write_atomically(path, NEW, overwrite=True)
    assert contents(tmp_path) == {"out.png": NEW}


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_while_writing_is_not_overwritten(links, tmp_path, monkeypatch, request):
    if not links:
        request.getfixturevalue("refuse_links")
    path = tmp_path / "out.png"
    real_fsync = os.fsync

    def fsync(descriptor):
        path.write_bytes(OLD)
        real_fsync(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    with pytest.raises(OutputError, match="exists already"):
        write_atomically(path, NEW, overwrite=False)
    assert contents(tmp_path) == {"out.png": OLD}


def test_of_many_writers_of_one_new_file_exactly_one_wins(tmp_path):
    path, barrier, won = tmp_path / "out.png", threading.Barrier(8), []

    def write(number):
        barrier.wait()
        try:
            write_atomically(path, bytes([number]) * 100_000, overwrite=False)
        except OutputError:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert contents(tmp_path) == {"out.png": bytes(won) * 100_000}


def test_a_dangling_link_counts_as_existing(tmp_path):
    path = tmp_path / "out.png"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        write_atomically(path, NEW, overwrite=False)
    write_atomically(path, NEW, overwrite=True)
    assert contents(tmp_path) == {"out.png": NEW}


def test_without_hard_links_a_new_file_is_still_written(tmp_path, refuse_links):
    write_atomically(tmp_path / "out.png", NEW, overwrite=False)
    assert contents(tmp_path) == {"out.png": NEW}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("below", ["out.png", "deeper/out.png"])
def test_a_file_in_the_place_of_the_folder_is_not_blamed_on_overwriting(below, overwrite, tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(OutputError, match=r"cannot write .*out\.png") as caught:
        write_atomically(tmp_path / "file" / below, NEW, overwrite=overwrite)
    assert "folder" in caught.value.remedy
    assert contents(tmp_path) == {"file": OLD}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_full_disk_leaves_nothing_behind(overwrite, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*out\.png: File too large"):
            write_atomically(tmp_path / "out.png", bytes(10**6), overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == {}


def test_a_folder_is_never_replaced(tmp_path):
    (tmp_path / "out.png").mkdir()
    for overwrite in (True, False):
        with pytest.raises(OutputError):
            write_atomically(tmp_path / "out.png", NEW, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "ü" * 125 + ".png", "a.png"])
def test_every_name_the_file_system_takes_can_be_written(name, tmp_path):
    write_atomically(tmp_path / name, NEW, overwrite=False)
    assert contents(tmp_path) == {name: NEW}


def test_the_folder_is_flushed_on_posix_and_left_alone_elsewhere(tmp_path, monkeypatch):
    flushed = []
    real_fsync = os.fsync
    monkeypatch.setattr(
        atomic.os, "fsync", lambda fd: flushed.append(stat.S_ISDIR(os.fstat(fd).st_mode)) or real_fsync(fd)
    )
    write_atomically(tmp_path / "out.png", NEW, overwrite=False)
    assert flushed == [False, True]
    monkeypatch.setattr(atomic, "os", SimpleNamespace(name="nt"))  # has no open: any further call would fail
    atomic._sync_folder(tmp_path)
