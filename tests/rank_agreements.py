"""What two ranks find when they compare notes: each function runs on both, one of them the test's own process."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from toy_training import AveragingLinear

from linearsr.errors import ConfigError, TrainingError
from linearsr.training import distributed
from linearsr.training.config import Part
from linearsr.training.distributed import Parallelism
from linearsr.training.learner import Learner, step_together


def agree():
    """On two ranks: scalars, flags and shares."""
    rank = distributed.rank()
    assert distributed.world() == 2
    assert distributed.is_main() is (rank == 0)
    assert distributed.mean({"a": float(rank), "b": 1.0}) == {"a": 0.5, "b": 1.0}
    assert math.isnan(distributed.mean({"a": math.nan if rank else 1.0})["a"])
    assert distributed.any_rank(rank == 1)
    assert not distributed.any_rank(False)
    share = torch.arange(4)[2 * rank : 2 * rank + 2]
    assert distributed.own_share(torch.arange(4)).equal(share)
    assert distributed.own_draw(torch.arange, 2).equal(share)
    with pytest.raises(ConfigError, match="batch of 3 cannot be split among 2"):
        distributed.own_share(torch.arange(3))
    distributed.check_same(3, "the step")
    with pytest.raises(TrainingError, match="ranks differ in the step"):
        distributed.check_same(rank, "the step")
    assert len(distributed.collect({"a": torch.ones(2)})) == 1 - rank


def average():
    """On two ranks: gradients and running averages, and weights that differ at the start."""
    rank = distributed.rank()
    module, beside = AveragingLinear(2), nn.Linear(2, 2)
    for part in (module, beside):
        nn.init.constant_(part.weight, 1.0 + rank)
    module.average.fill_(rank)
    module.bias.grad = torch.full((2,), 2.0 * rank)
    distributed.average_buffers(module)
    distributed.average_gradients(module)
    assert module.average.tolist() == [0.5, 0.5]
    assert module.bias.grad.tolist() == [1.0, 1.0]
    assert module.weight.grad is None
    distributed.spread(module, lambda step, part: (module.weight.sum(), {}), Parallelism(), alongside=(beside,))
    assert module.weight.eq(1).all()
    assert beside.weight.eq(1).all()


def leave_out_what_one_rank_cannot_use():
    """On two ranks: learners that are not spread take a step everywhere or nowhere."""
    rank = distributed.rank()
    module = nn.Linear(2, 1)
    nn.init.ones_(module.weight)
    learner = Learner(module, torch.optim.AdamW(module.parameters(), lr=0.1))

    def step(factor, usable=True):
        learner.optimizer.zero_grad()
        (module(torch.full((1, 2), float(rank))).sum() * factor).backward()
        return step_together([learner], usable=usable)

    for factor in (math.nan, math.inf):
        assert not step(factor if rank else 1.0)[0]
    assert not step(1.0, usable=rank == 0)[0]
    assert module.weight.eq(1).all()
    taken, [norm] = step(1.0)
    assert taken
    assert norm == pytest.approx(math.sqrt(2 * 0.5**2 + 1))
    total = float(module.weight.detach().sum())
    assert distributed.mean({"weights": total}) == {"weights": total}


def compute_in_parts(mode):
    """On two ranks: each computes its share of a batch in two parts, and the gradient is that of the whole batch."""
    batch = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    module = nn.Linear(3, 1)

    def loss(step, part):
        return module(part.take(distributed.own_share(batch))).square().mean(), {}

    nn.init.ones_(module.weight)
    nn.init.ones_(module.bias)
    module(batch).square().mean().backward()
    expected, module.weight.grad, module.bias.grad = module.weight.grad, None, None
    compute = distributed.spread(module, loss, Parallelism(mode=mode), alongside=())
    for part in Part.all(2):
        compute(0, part)[0].backward()
    torch.testing.assert_close(distributed.whole(module.weight.grad) / 2, expected)
