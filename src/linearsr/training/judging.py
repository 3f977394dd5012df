"""The last part of the stage `denoise`: the judge of noise.

    max(q e, (q - 1) e)      e = log s - J(cells), q = ``QUANTILE``, s: root mean square of noisy - clean

Where pictures look alike that are noisy or not, the mean loss would have it guess one of both. So it learns a quantile
above the median: to miss noise is worse than to suspect it, since what the denoiser then changes decides, too.
Its inputs take two passes of the denoiser, and it has but a few thousand parameters itself. So the cells of many
pictures are computed once, and drawn from ever after.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from linearsr.data.noisy import NoisyPairs
from linearsr.data.sampling import Sample, choose, own_slots
from linearsr.models.denoiser import Denoiser
from linearsr.models.judging import NOTHING, metered
from linearsr.models.noise_cells import noise_cells
from linearsr.models.noise_judge import NoiseJudge
from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.denoising import strength_of
from linearsr.training.distributed import rank, world
from linearsr.training.learner import Learner
from linearsr.training.tensors import read_tensors, write_tensors

QUANTILE = 0.65
"""Of what may be the strength of a picture's noise, the one that the judge is to find."""
AT_ONCE = 16
"""Pictures that go through the denoiser together."""


@dataclass(frozen=True)
class CellPool:
    """Cells of N pictures, (N, n, F) float16, and the logarithms of their noise's strength, (N,)."""

    cells: Tensor
    strengths: Tensor

    @classmethod
    def of(cls, pairs: NoisyPairs, denoiser: Denoiser, *, count: int, lr_side: int, seed: int) -> CellPool:
        """Take ``count`` crops of ``lr_side`` pixels, less those in which the meter finds nothing to judge."""
        cells, strengths = [], []
        for step in range(-(-count // AT_ONCE)):
            batch = pairs.batch(step, seed=seed, size=AT_ONCE, lr_side=lr_side)
            noisy, clean = (images.to(denoiser.strength_in.weight.device) for images in batch)
            comes_to_judge = metered(noisy, denoiser) > NOTHING
            if comes_to_judge.any():  # a meter that has learned nothing yet finds nothing anywhere
                noisy, clean = noisy[comes_to_judge], clean[comes_to_judge]
            cells.append(noise_cells(noisy, denoiser).half().cpu())
            strengths.append(strength_of(noisy, clean).log().cpu())
        return cls(torch.cat(cells), torch.cat(strengths))

    def save(self, path: Path) -> None:
        """Write the pool as one file."""
        write_tensors(path, {"cells": self.cells, "strengths": self.strengths})

    @classmethod
    def load(cls, path: Path) -> CellPool:
        """Read what :meth:`save` wrote.

        Raises:
            TrainingError: if the file is damaged.
        """
        tensors, _ = read_tensors(path, remedy="delete it, and it is made anew")
        return cls(tensors["cells"], tensors["strengths"])


class JudgeStage:
    """The judge alone, on pictures of a pool."""

    def __init__(self, config: StageConfig, judge: NoiseJudge, pool: CellPool) -> None:
        self.config, self.module, self._pool = config, judge.train(), pool
        self.auxiliary: dict[str, Learner] = {}

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        config, pool = self.config, self._pool
        slots = own_slots(config.batch, rank() * part.of + part.index, world() * part.of)
        chosen = [choose(Sample.at(config.seed, step, slot).photo, len(pool.cells)) for slot in slots]
        device = config.execution.device
        with torch.autocast(torch.device(device).type, enabled=False):
            estimates = self.module(pool.cells[chosen].to(device).float())
            errors = pool.strengths[chosen].to(device) - estimates
            loss = torch.maximum(QUANTILE * errors, (QUANTILE - 1) * errors).mean()
        return loss, {"log_strength": float(loss.detach())}
