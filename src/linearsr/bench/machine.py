"""What the numbers of a benchmark were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from linearsr import __version__
from linearsr.bench.timing import measure_peak


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The device and the software. ``peak_macs`` are multiply-adds per second of a large matrix product, measured."""

    processor: str
    cores: int
    threads: int
    device: str
    precision: str
    peak_macs: float
    system: str
    python: str
    torch: str
    linearsr: str

    def sentence(self) -> str:
        """One line for the foot of a table."""
        threads = f", {self.threads} of {self.cores} threads" if self.device == "cpu" else ""
        return (
            f"{self.processor}{threads}, {self.precision}, torch {self.torch}, linearsr {self.linearsr}; "
            f"large matrix products reach {self.peak_macs / 1e9:,.0f} GMAC/s here."
        )


def describe_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """Ask the system for its names and measure the peak."""
    return Machine(
        processor=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        device=str(device),
        precision=str(dtype).removeprefix("torch."),
        peak_macs=measure_peak(device, dtype),
        system=platform.platform(),
        python=platform.python_version(),
        torch=torch.__version__,
        linearsr=__version__,
    )


def _processor() -> str:
    """The processor's own name; Linux keeps it in a file, other systems tell Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
