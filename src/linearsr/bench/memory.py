"""Peak memory: of this process since it started, and of one piece of work."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


def peak_memory() -> int:
    """Bytes of main memory this process has held at its peak, or 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_of(work: Callable[[], object], device: torch.device) -> int | None:
    """Do ``work`` and return the most bytes it held at once, on top of what was held before.

    On a CUDA GPU these are the allocator's bytes, on Linux the resident pages of this process. Elsewhere the system
    cannot start a new peak, and None is returned.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    try:
        _give_back()
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")  # 5 resets the peak, see proc(5)
    except OSError:
        work()
        return None
    before = _resident("VmRSS")
    work()
    return max(0, _resident("VmHWM") - before)


def _give_back() -> None:
    """Hand memory that was freed but kept for reuse back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _resident(field: str) -> int:
    for line in (_PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc/self/status has no {field}")
