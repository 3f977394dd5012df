"""A stage that trains in milliseconds, and a process to kill while it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.distributed import own_share
from linearsr.training.learner import Learner
from linearsr.training.loop import train
from linearsr.training.stages import Stage


def stage_config(**changes: Any) -> StageConfig:
    values = {"steps": 6, "batch": 2, "lr_side": 8, "learning_rate": 1e-2, "warmup": 2, "save_every": 3} | changes
    return StageConfig(name="toy", **values)


class AveragingLinear(nn.Linear):
    """A linear map that keeps a running average of its inputs, as normalisations do."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.register_buffer("average", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        self.get_buffer("average").lerp_(x.mean(0), 0.1)
        return super().forward(x)


class ToyStage:
    """Fits a linear map whose inputs are a pure function of the step; ``spoil[step]`` replaces that step's loss."""

    def __init__(
        self, config: StageConfig, *, width: int = 4, spoil: Mapping[int, Callable[[Tensor], Tensor]] | None = None
    ) -> None:
        self.config, self._width, self._spoil = config, width, spoil or {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.module = AveragingLinear(width)
            helper = nn.Linear(width, 1)
        self.auxiliary = {"helper": Learner(helper, torch.optim.AdamW(helper.parameters(), lr=1e-2))}

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        x = torch.randn(8, self._width, generator=torch.Generator().manual_seed(step))
        x = part.take(own_share(x))
        helper = self.auxiliary["helper"].module
        (helper(self.module(x).detach()) - 1).square().mean().backward()
        score = F.linear(self.module(x), helper.weight.detach(), helper.bias.detach())
        loss = (self.module(x) - x.flip(1)).square().mean() + score.square().mean()
        return self._spoil.get(step, lambda value: value)(loss), {"toy": 1.0}


class InterruptedRunError(Exception):
    """Stands for a crash in the middle of training."""


class StopAt:
    """A stage that crashes at one step."""

    def __init__(self, stage: Stage, step: int) -> None:
        self.config, self.module, self.auxiliary = stage.config, stage.module, stage.auxiliary
        self._stage, self._step = stage, step

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        if step == self._step:
            raise InterruptedRunError
        return self._stage.loss(step, part)


def train_saving_every_step(folder: str, steps: int) -> None:
    """Run in a process of its own: most of its time goes into checkpoints."""
    torch.set_num_threads(1)
    train(ToyStage(stage_config(steps=steps, save_every=1), width=128), Path(folder))
