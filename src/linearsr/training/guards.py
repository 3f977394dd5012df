"""The guard before every optimizer step: a loss that is not finite, or a spike, never reaches the weights."""

from __future__ import annotations

import math
from statistics import fmean, median

import torch
from torch import Tensor

WINDOW = 100
"""Losses the running median looks back on."""
FEWEST = 20
"""Losses needed before any is called a spike."""
SPIKE = 10.0
"""A loss above this many running medians is a spike."""
MAX_SKIPPED = 3
"""Skipped steps in a row that stop a run."""


class StepGuard:
    """Keeps the losses of recent steps of a stage and counts skipped ones in a row; a checkpoint carries its state."""

    def __init__(self) -> None:
        self._recent: list[float] = []
        self._skipped = 0

    def is_usable(self, loss: float) -> bool:
        """Whether ``loss`` is finite and no spike: at most ``SPIKE`` running medians, while these are positive."""
        if not math.isfinite(loss) or len(self._recent) < FEWEST:
            return math.isfinite(loss)
        middle = median(self._recent)
        return middle <= 0 or loss <= SPIKE * middle

    def count(self, *, taken: bool, loss: float) -> None:
        """Note how a step ended."""
        self._skipped = 0 if taken else self._skipped + 1
        if taken:
            self._recent = [*self._recent, loss][-WINDOW:]

    @property
    def is_calm(self) -> bool:
        """Whether the last step was taken."""
        return self._skipped == 0

    @property
    def is_exhausted(self) -> bool:
        """Whether so many steps in a row were skipped that going on makes no sense."""
        return self._skipped >= MAX_SKIPPED

    @property
    def mean_loss(self) -> float:
        """Mean of the recent losses, NaN before the first."""
        return fmean(self._recent) if self._recent else math.nan

    def state(self) -> Tensor:
        """The count of skipped steps and the recent losses, (1 + n,) float64."""
        return torch.tensor([self._skipped, *self._recent], dtype=torch.float64)

    def restore(self, state: Tensor) -> None:
        """Take over what :meth:`state` returned."""
        skipped, *recent = state.tolist()
        self._skipped, self._recent = int(skipped), recent
