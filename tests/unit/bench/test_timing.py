from contextlib import contextmanager, nullcontext

import pytest
import torch

from linearsr.bench import timing
from linearsr.bench.timing import as_cuda_graph, measure_peak, median_seconds, wait

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_the_warm_up_is_not_counted(monkeypatch):
    clock = iter([0.0, 5.0, 10.0, 11.0, 20.0, 23.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    runs = []
    assert median_seconds(lambda: runs.append(1), repeats=3, device=CPU) == 3.0
    assert len(runs) == 4


def test_without_a_warm_up_every_run_counts():
    runs = []
    median_seconds(lambda: runs.append(1), repeats=2, device=CPU, warm_up=False)
    assert len(runs) == 2


def test_the_peak_is_in_multiply_adds_per_second(monkeypatch):
    monkeypatch.setattr(timing, "_clock_seconds", lambda work, device: (work(), 0.5)[1])
    monkeypatch.setattr(timing, "PEAK_CONVOLUTION", (2, 3))
    assert measure_peak(CPU, torch.float32, side=10) == 10**3 / 0.5
    assert measure_peak(CPU, torch.float32, side=5) == 9 * 2 * 2 * 3 * 3 / 0.5


def test_the_real_peak_is_above_any_sensible_floor():
    assert measure_peak(CPU, torch.float32, side=256) > 1e7


class Event:
    """Stands for a CUDA event: knows when it was recorded and counts in milliseconds."""

    clock = 0.0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        Event.clock += 250.0
        self.at = Event.clock

    def synchronize(self):
        assert self.at

    def elapsed_time(self, end):
        return end.at - self.at


@pytest.fixture
def gpu(monkeypatch):
    """What the timer asks of CUDA, and the order it asks in."""
    calls = []
    Event.clock = 0.0
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: calls.append("wait"))
    return calls


def test_on_a_gpu_events_tell_the_time(gpu):
    assert median_seconds(lambda: gpu.append("work"), repeats=2, device=GPU) == 0.25
    assert gpu == ["work", "wait", "work", "wait", "work"]


def test_waiting_is_for_devices_that_run_ahead(gpu, monkeypatch):
    wait(CPU)
    assert gpu == []
    wait(GPU)
    assert gpu == ["wait"]
    monkeypatch.setattr(torch.mps, "synchronize", lambda: gpu.append("mps"))
    wait(torch.device("mps"))
    assert gpu == ["wait", "mps"]


def test_a_cuda_graph_is_recorded_after_a_warm_up_on_another_stream(gpu, monkeypatch):
    class Stream:
        def wait_stream(self, other):
            gpu.append("join")

    class Graph:
        def replay(self):
            gpu.append("replay")

    @contextmanager
    def record(graph):
        gpu.append("record")
        yield
        gpu.append("stop")

    for name, value in {"Stream": Stream, "current_stream": Stream, "CUDAGraph": Graph, "graph": record}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    replay = as_cuda_graph(lambda: gpu.append("work"), GPU)
    assert gpu == ["join", "work", "work", "work", "join", "record", "work", "stop"]
    replay()
    assert gpu[-1] == "replay"
