import os
import subprocess
import sys

import pytest

from linearsr.cli import process
from linearsr.cli.process import SPINS, keep_freed_memory, prepare_process

ON_GLIBC = sys.platform == "linux" and bool(os.confstr("CS_GNU_LIBC_VERSION"))


@pytest.fixture
def plain_environment(monkeypatch):
    for name in ("GOMP_SPINCOUNT", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards, whatever is set
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("wish", "expected"), [(None, SPINS), ("5", "5")])
def test_threads_sleep_soon_unless_the_user_says_otherwise(plain_environment, monkeypatch, wish, expected):
    monkeypatch.setattr(process, "keep_freed_memory", lambda count, largest: True)
    if wish is not None:
        monkeypatch.setenv("GOMP_SPINCOUNT", wish)
    prepare_process()
    assert os.environ["GOMP_SPINCOUNT"] == expected


@pytest.mark.parametrize(("setting", "asked"), [(None, [process.KEPT_BYTES]), ("MALLOC_TRIM_THRESHOLD_", [])])
def test_a_user_who_has_set_malloc_is_left_alone(plain_environment, monkeypatch, setting, asked):
    calls = []
    monkeypatch.setattr(process, "keep_freed_memory", lambda count, largest: calls.append(count))
    if setting is not None:
        monkeypatch.setenv(setting, "131072")
    prepare_process()
    assert calls == asked


@pytest.mark.skipif(not ON_GLIBC, reason="mallopt is glibc's")
def test_the_same_large_block_is_not_taken_from_the_system_again():
    code = (
        "import ctypes, resource, sys\n"
        "from linearsr.cli.process import keep_freed_memory\n"
        "if sys.argv[1] == 'kept': assert keep_freed_memory(2**30, 2**27)\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]\n"
        "libc.free.argtypes = [ctypes.c_void_p]\n"
        "size, before = 64 * 2**20, 0\n"
        "for turn in range(11):\n"
        "    block = libc.malloc(size); ctypes.memset(block, 1, size); libc.free(block)\n"
        "    before = before or resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    faults = {}
    for mode in ("kept", "plain"):
        run = [sys.executable, "-c", code, mode]
        faults[mode] = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert faults["kept"] < 100 < faults["plain"]


def test_elsewhere_it_says_that_it_did_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert not keep_freed_memory(2**30, 2**27)
