"""R15: what is not finite never reaches the weights."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from small_models import seeded
from torch import nn

from linearsr.training.learner import Learner, step_together


def build(clip_norm=math.inf):
    module = seeded(0, lambda: nn.Linear(3, 1))
    return Learner(module, torch.optim.AdamW(module.parameters(), lr=0.01), clip_norm=clip_norm)


def state(learner):
    return copy.deepcopy((learner.module.state_dict(), learner.optimizer.state_dict()["state"]))


def flat(tree):
    return torch.cat([value.flatten() for value in torch.utils._pytree.tree_leaves(tree)])


def descend(learner, loss, *others, usable=True):
    learner.optimizer.zero_grad()
    loss.backward()
    return step_together([learner, *others], usable=usable)


def test_step_lowers_the_loss_and_reports_the_gradient_norm():
    learner, x = build(), torch.ones(1, 3)
    before = learner.module(x).square().sum()
    taken, norms = descend(learner, before)
    assert taken
    assert norms[0] > 0
    assert learner.module(x).square().sum() < before


def test_gradient_is_clipped_to_the_norm_asked_for():
    learner = build(clip_norm=0.5)
    _, norms = descend(learner, 1000 * learner.module(torch.ones(1, 3)).sum())
    gradient = flat([parameter.grad for parameter in learner.module.parameters()])
    assert norms[0] > 1000
    assert float(gradient.norm()) == pytest.approx(0.5, rel=1e-4)


def test_gradients_of_parts_are_averaged():
    learner, x = build(), torch.arange(12.0).view(4, 3)
    learner.module(x).square().mean().backward()
    whole = [parameter.grad.clone() for parameter in learner.module.parameters()]
    learner.module.zero_grad()
    for half in (x[:2], x[2:]):
        learner.module(half).square().mean().backward()
    learner.finish_gradient(parts=2)
    parts = [parameter.grad for parameter in learner.module.parameters()]
    assert all(torch.allclose(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -float("inf")])
def test_gradient_that_is_not_finite_changes_neither_weights_nor_moments(factor):
    learner, x = build(), torch.ones(1, 3)
    descend(learner, learner.module(x).sum())
    before = state(learner)
    assert not descend(learner, learner.module(x).sum() * factor)[0]
    assert torch.equal(flat(state(learner)), flat(before))


def test_finite_loss_with_infinite_gradient_changes_nothing_and_the_next_step_is_clean():
    learner = build()
    before = state(learner)
    root = (learner.module.weight - learner.module.weight.detach()).sum().sqrt()
    assert torch.isfinite(root)
    taken, norms = descend(learner, root)
    assert not taken
    assert not math.isfinite(norms[0])
    assert torch.equal(flat(state(learner)), flat(before))
    assert descend(learner, learner.module(torch.ones(1, 3)).sum())[0]
    assert torch.isfinite(flat(state(learner))).all()


def test_a_step_that_is_not_usable_is_not_taken():
    learner = build()
    before = state(learner)
    assert not descend(learner, learner.module(torch.ones(1, 3)).sum(), usable=False)[0]
    assert torch.equal(flat(state(learner)), flat(before))


def test_all_take_the_step_or_none():
    learner, other = build(), build()
    before = state(learner), state(other)
    (other.module(torch.ones(1, 3)).sum() * float("nan")).backward()
    assert not descend(learner, learner.module(torch.ones(1, 3)).sum(), other)[0]
    assert torch.equal(flat((state(learner), state(other))), flat(before))
