"""What a stage draws at random, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from linearsr.diffusion.flow import TimestepDensity
from linearsr.diffusion.sampler import noise
from linearsr.training.config import Part, StageConfig
from linearsr.training.distributed import own_draw


class Draws:
    """What is random in one part of a step's batch: a pure function of (seed, step, place in the batch)."""

    def __init__(self, config: StageConfig, step: int, part: Part) -> None:
        self._generator = torch.Generator().manual_seed(config.seed * 7919 + step)
        self._part, self._device = part, config.execution.device

    def uniform(self, count: int) -> Tensor:
        """(count, 1, 1, 1) values in [0, 1)."""
        return self._own(lambda n: torch.rand((n, 1, 1, 1), generator=self._generator), count)

    def noise(self, count: int, shape: Sequence[int]) -> Tensor:
        """(count, *shape) standard normal values."""
        return self._own(lambda n: noise((n, *shape), self._generator), count)

    def timesteps(self, count: int, density: TimestepDensity) -> Tensor:
        """(count,) values of t."""
        return self._own(lambda n: density.sample(n, self._generator), count)

    def _own(self, draw: Callable[[int], Tensor], count: int) -> Tensor:
        # Drawn for the whole batch, so that a sample's noise depends neither on the number of parts nor of ranks.
        return self._part.take(own_draw(draw, count * self._part.of)).to(self._device)
