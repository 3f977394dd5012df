"""Where and in which precision to compute."""

from __future__ import annotations

import re
from typing import Literal

import torch

from linearsr.errors import DeviceError
from linearsr.processor import processor_name

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """Return the device of "auto", "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        DeviceError: if it is unknown or not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:(\d|[1-9]\d))?", name):
        raise DeviceError(f"device {name!r} is unknown", remedy="use auto, cpu, cuda, cuda:N or mps")
    device = torch.device(name)
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there[device.type]:
        raise DeviceError(f"device {name} is not available", remedy="use --device cpu, or see linearsr doctor")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of "auto", "fp32", "bf16" or "fp16" on ``device``.

    "auto" takes bfloat16 on a CUDA GPU and on a CPU that is fast in it, and float32 everywhere else: a fixed rule, so
    that the same machine always gives the same bytes (docs/decisions/0002-precision.md).
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" or has_fast_bfloat16(device) else torch.float32
    if name not in PRECISIONS:
        raise DeviceError(f"precision {name!r} is unknown", remedy=f"use auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise DeviceError("fp16 is not supported on a CPU", remedy="use --precision fp32, or bf16 where it is fast")
    return PRECISIONS[name]


def choose_autocast(name: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return the precision of "auto", "fp32" or "bf16" to train in on ``device``, by the same rule."""
    return "bf16" if choose_precision(name, device) is torch.bfloat16 else "fp32"


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` is a CPU that is faster in bfloat16 than in float32.

    Those with AMX tiles are, and AMD's with AVX512-BF16; Intel's with that and no AMX are not.
    """
    if device.type != "cpu":
        return False
    return _supports("amx_tile") or (_supports("avx512_bf16") and processor_name().startswith("AMD"))


def _supports(feature: str) -> bool:
    """Whether torch says that the processor has a feature; False where this torch cannot tell."""
    probe = getattr(torch.cpu, f"_is_{feature}_supported", lambda: False)
    return bool(probe())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch says that memory ran out; on a CPU it is a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
