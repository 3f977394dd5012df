"""A module and the optimizer that moves it, behind the guard that keeps non-finite values out of the weights."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from linearsr.training import distributed


@dataclass(frozen=True)
class Learner:
    """What takes optimizer steps and what a checkpoint holds of it.

    ``clip_norm`` is the largest norm of the gradient; ``spread`` says that DDP or FSDP2 averages gradients over the
    ranks, otherwise :meth:`finish_gradient` does.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    clip_norm: float = math.inf
    spread: bool = False

    def finish_gradient(self, parts: int = 1) -> float:
        """Turn gradients summed over ``parts`` of a batch into their mean, over ranks too; clip and return the norm."""
        for parameter in self.module.parameters():
            if parameter.grad is not None and parts > 1:
                parameter.grad.div_(parts)
        if not self.spread:
            distributed.average_gradients(self.module)
        norm: Tensor = torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.clip_norm)
        return float(distributed.whole(norm))


def step_together(learners: Collection[Learner], *, usable: bool, parts: int = 1) -> tuple[bool, list[float]]:
    """Let all learners take the step of their gradients, or none; return (taken, gradient norms).

    None takes it unless the step is ``usable`` and every gradient is finite, on every rank.
    """
    norms = [learner.finish_gradient(parts) for learner in learners]
    taken = not distributed.any_rank(not (usable and all(math.isfinite(norm) for norm in norms)))
    if taken:
        for learner in learners:
            learner.optimizer.step()
    return taken, norms
