import sys

import pytest
import torch

from linearsr.bench import memory
from linearsr.bench.memory import peak_memory, peak_of

CPU = torch.device("cpu")


def test_the_process_has_a_peak():
    assert peak_memory() > 50_000_000


def test_a_system_without_resource_gives_zero(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can start a new peak")
def test_the_peak_of_work_is_what_it_held_at_once():
    def work():
        for _ in range(10):
            torch.ones(25_000_000)  # 100 MB, given back each time: 1 GB in all

    assert 95e6 <= peak_of(work, CPU) <= 400e6  # some kernels count pages as resident a moment after they were freed
    assert peak_of(lambda: None, CPU) < 60e6


def test_where_the_system_cannot_tell_the_work_is_done_all_the_same(monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "no such folder")
    assert peak_of(lambda: done.append(1), CPU) is None
    assert done == [1]


def test_a_c_library_without_trim_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    memory._give_back()


def test_a_system_without_the_field_is_a_surprise(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("Name: python\n")
    monkeypatch.setattr(memory, "_PROCESS", tmp_path)
    with pytest.raises(AssertionError, match="VmRSS"):
        peak_of(lambda: None, CPU)


def test_on_a_gpu_the_allocator_tells(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 300)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000)
    assert peak_of(lambda: calls.append("work"), torch.device("cuda")) == 700
    assert calls == ["reset", "work"]
