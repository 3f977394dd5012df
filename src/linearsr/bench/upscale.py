"""Times one upscale by its parts: sampling the latent, decoding it, and the whole."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from linearsr.bench.memory import peak_memory
from linearsr.memory import estimate_peak_memory
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest


@dataclass(frozen=True, kw_only=True)
class UpscaleTiming:
    """Median seconds of ``repeats`` runs after one warm-up; memory in bytes, at its peak in this process."""

    side: int
    steps: int
    repeats: int
    device: str
    precision: str
    threads: int
    sample_seconds: float
    decode_seconds: float
    total_seconds: float
    peak_memory: int
    estimated_memory: int


def time_upscale(pipeline: SRPipeline, *, side: int, steps: int, repeats: int) -> UpscaleTiming:
    """Time ``pipeline`` on a ``side`` x ``side`` image of noise (its content does not change the speed)."""
    request = UpscaleRequest(steps=steps)
    lr = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0)) * 2 - 1
    marks: list[float] = []

    def run() -> Tensor:
        started = time.perf_counter()

        def reached(step: int, t: float, latent: Tensor) -> None:
            if step == steps - 1:
                _wait(pipeline.device)
                marks.append(time.perf_counter() - started)

        return pipeline.upscale_tensor(lr, request, torch.Generator().manual_seed(0), reached)

    totals = _time(run, repeats, pipeline.device)
    sampled, total = statistics.median(marks[1:]), statistics.median(totals)
    return UpscaleTiming(
        side=side,
        steps=steps,
        repeats=repeats,
        device=str(pipeline.device),
        precision=str(pipeline.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        sample_seconds=sampled,
        decode_seconds=total - sampled,
        total_seconds=total,
        peak_memory=peak_memory(),
        estimated_memory=estimate_peak_memory(side, side),
    )


def _time(run: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of ``repeats`` runs, after one that is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
