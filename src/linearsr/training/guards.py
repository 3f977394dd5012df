"""The guard before every optimizer step: a loss that is not finite, or a spike, never reaches the weights."""

from __future__ import annotations

from statistics import median

import torch
from torch import Tensor

from linearsr.errors import TrainingError

WINDOW = 100
"""Losses the running median looks back on."""
FEWEST = 20
"""Losses needed before any is called a spike."""
SPIKE = 10.0
"""A loss above this many running medians is a spike."""
MAX_SKIPPED = 3


class StepGuard:
    """Keeps the losses of recent steps of a stage and counts skipped ones in a row; a checkpoint carries its state."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._recent: list[float] = []
        self._skipped = 0

    def is_spike(self, loss: float) -> bool:
        """Whether ``loss`` is more than ``SPIKE`` times the running median; never while that is not positive."""
        if len(self._recent) < FEWEST:
            return False
        middle = median(self._recent)
        return middle > 0 and loss > SPIKE * middle

    def count(self, *, taken: bool, loss: float, step: int) -> None:
        """Note how a step ended.

        Raises:
            TrainingError: if it is the third step in a row that was skipped.
        """
        if taken:
            self._skipped = 0
            self._recent = [*self._recent, loss][-WINDOW:]
            return
        self._skipped += 1
        if self._skipped >= MAX_SKIPPED:
            raise TrainingError(
                f"{MAX_SKIPPED} steps in a row up to step {step} of {self._name} were unusable: a loss or gradient "
                f"that is not finite, or a spike (last loss {loss:g})",
                remedy="lower learning_rate or clip_norm and resume",
            )

    def state(self) -> Tensor:
        """The count of skipped steps and the recent losses, (1 + n,) float64."""
        return torch.tensor([self._skipped, *self._recent], dtype=torch.float64)

    def restore(self, state: Tensor) -> None:
        """Take over what :meth:`state` returned."""
        skipped, *recent = state.tolist()
        self._skipped, self._recent = int(skipped), recent
