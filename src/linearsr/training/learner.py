"""A module and the optimizer that moves it, behind the guard that keeps non-finite values out of the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from linearsr.training import distributed


@dataclass(frozen=True)
class Learner:
    """What takes optimizer steps and what a checkpoint holds of it: a module and its AdamW.

    ``spread`` says that DDP or FSDP2 averages the gradients over the ranks; otherwise a step does.
    """

    module: nn.Module
    optimizer: torch.optim.AdamW
    spread: bool = False

    def step(self, loss: Tensor, clip_norm: float = math.inf, *, skip: bool = False) -> tuple[bool, float]:
        """Take one step down ``loss``; return (taken, gradient norm).

        With ``skip``, or if the loss or the gradient is not finite on any rank, no rank takes the step. The backward
        pass runs all the same: ranks meet in it.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not self.spread:
            distributed.average_gradients(self.module)
        norm = distributed.whole(torch.nn.utils.clip_grad_norm_(self.module.parameters(), clip_norm))
        finite = bool(torch.isfinite(loss) and torch.isfinite(norm))
        taken = not distributed.any_rank(skip or not finite)
        if taken:
            self.optimizer.step()
        return taken, float(norm)
