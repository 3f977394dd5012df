"""Seconds of a piece of work, and the multiply-adds a device can do at best.

Times are medians after a warm-up. On a CUDA GPU they are taken between events on the stream, so that the start of
the next run does not wait for Python; everywhere else by the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

Work = Callable[[], object]
PEAK_RUNS = 8
PEAK_SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Side of the square matrices that find a device's peak: large enough to fill it, over in a second."""
PEAK_CONVOLUTION = (64, 256)
"""Channels, and side of the picture, of the 3x3 convolution that stands beside them on a CPU."""
_GRAPH_WARM_UPS = 3


def median_seconds(work: Work, *, repeats: int, device: torch.device, warm_up: bool = True) -> float:
    """Median seconds of ``repeats`` runs; with ``warm_up`` one more comes first and is not counted."""
    if warm_up:
        work()
    once = _event_seconds if device.type == "cuda" else _clock_seconds
    return statistics.median(once(work, device) for _ in range(repeats))


def wait(device: torch.device) -> None:
    """Return when the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _clock_seconds(work: Work, device: torch.device) -> float:
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def _event_seconds(work: Work, device: torch.device) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    with torch.cuda.device(device):
        wait(device)
        start.record()
        work()
        end.record()
        end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def as_cuda_graph(work: Work, device: torch.device) -> Work:
    """Record the kernels of ``work`` once; the result starts them all with one call.

    ``work`` must use the same tensors every time and must not wait for the GPU.
    """
    with torch.cuda.device(device):
        # Lazy initialisation (cuBLAS, cuDNN) must be over, on a stream other than the default, before recording.
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_GRAPH_WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
    return graph.replay


@torch.inference_mode()
def measure_peak(device: torch.device, dtype: torch.dtype, *, side: int | None = None) -> float:
    """Multiply-adds per second of the best of a few products of large square matrices; on a CPU also of convolutions.

    PyTorch does the two through different libraries there, and either may be the faster one (models/dense.py).
    """
    side = side or PEAK_SIDE[device.type]
    a = torch.randn(side, side, device=device, dtype=dtype)
    b = torch.randn(side, side, device=device, dtype=dtype)
    peak = _best_rate(lambda: a @ b, side**3, device)
    if device.type != "cpu":
        return peak
    channels, width = PEAK_CONVOLUTION
    x = torch.randn(1, channels, width + 2, width + 2, dtype=dtype).contiguous(memory_format=torch.channels_last)
    kernels = torch.randn(channels, channels, 3, 3, dtype=dtype)
    return max(peak, _best_rate(lambda: F.conv2d(x, kernels), 9 * channels**2 * width**2, device))


def _best_rate(work: Work, macs: int, device: torch.device) -> float:
    runs = (median_seconds(work, repeats=1, device=device, warm_up=index == 0) for index in range(PEAK_RUNS))
    return macs / min(runs)
