"""The commands of all stages in one function, where processes that tests start can import it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import torch

from linearsr.cli.main import run as linearsr
from linearsr.training import presets


def train_all(photos, perceptual, run, stages):
    """Run the commands of some stages one after the other, in a process of its own."""
    torch.set_num_threads(1)
    often = presets.ci().with_stages(lambda stage: replace(stage, save_every=2, log_every=1))
    shared = [f"--run={run}", f"--photos={photos}", f"--perceptual={perceptual}", "--preset=ci", "--device=cpu"]
    with patch.object(presets, "ci", lambda: often):
        for stage, steps in stages.items():
            assert linearsr(["train", stage, *shared, f"--steps={steps}", "--quiet"]) == 0
