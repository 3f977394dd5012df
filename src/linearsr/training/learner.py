"""A module and the optimizer that moves it, behind the guard that keeps non-finite values out of the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Learner:
    """What takes optimizer steps and what a checkpoint holds of it: a module and its AdamW."""

    module: nn.Module
    optimizer: torch.optim.AdamW

    def step(self, loss: Tensor, clip_norm: float = math.inf) -> tuple[bool, float]:
        """Take one step down ``loss``, unless it or its gradient is not finite; return (taken, gradient norm)."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.module.parameters(), clip_norm)
        finite = bool(torch.isfinite(loss) and torch.isfinite(norm))
        if finite:
            self.optimizer.step()
        return finite, float(norm)
