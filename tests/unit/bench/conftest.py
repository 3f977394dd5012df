from __future__ import annotations

import pytest

from linearsr.bench.machine import Machine


@pytest.fixture
def machine():
    """A machine of round numbers: a billion multiply-adds per second."""
    return Machine(
        processor="Model T",
        cores=4,
        threads=2,
        device="cpu",
        precision="float32",
        peak_macs=1e9,
        system="none",
        python="3.11",
        torch="2.13",
        linearsr="0.1",
    )
