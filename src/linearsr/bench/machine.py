"""What the numbers of a benchmark were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import torch

from linearsr import __version__
from linearsr.bench.timing import measure_peak
from linearsr.processor import processor_name


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The device and the software. ``peak_macs`` are multiply-adds per second at best, measured."""

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
            f"large matrix products or convolutions reach {self.peak_macs / 1e9:,.0f} GMAC/s here."
        )


def describe_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """Ask the system for its names and measure the peak."""
    return Machine(
        processor=torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
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
