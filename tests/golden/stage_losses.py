"""The first losses of every stage, and the file that keeps them.

Run as a program, ``PYTHONPATH=src:tests python tests/golden/stage_losses.py`` writes the file anew: after a change that
is meant to change the losses, and with the reason in the commit.
"""

from __future__ import annotations

import json
import platform
import re
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_models import alexnet_weights, seeded
from small_stages import NAMES, small_stage, synthetic_pool

from linearsr.training.loop import Watch, train

FILE = Path(__file__).with_name("stage_losses.json")
STEPS = 20


def losses_of(name: str, folder: Path) -> list[float]:
    """Train a stage for 20 steps on one thread, below an empty ``folder``, and return their losses."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(seeded(0, alexnet_weights), folder / "lpips_alexnet.safetensors")
    losses: list[float] = []
    stage = small_stage(name, synthetic_pool(), folder, steps=STEPS, save_every=STEPS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(stage, folder / "run", watch=Watch(on_step=lambda config, done, values: losses.append(values["loss"])))
    finally:
        torch.set_num_threads(threads)
    return losses


def cpu() -> str:
    """Vector units and maker of this CPU: matrix products of either kind add up in an order of their own."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"vendor_id\s*: (\w+)", cpuinfo.read_text("utf-8")) if cpuinfo.exists() else None
    return f"{torch.backends.cpu.get_cpu_capability()} {found[1] if found else platform.processor()}"


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        losses = {name: losses_of(name, Path(folder) / name) for name in NAMES}
    FILE.write_text(json.dumps({"torch": torch.__version__, "cpu": cpu(), "losses": losses}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
