"""R15: what is not finite never reaches the weights."""

from __future__ import annotations

import copy

import pytest
import torch
from small_models import seeded
from torch import nn

from linearsr.training.learner import Learner


@pytest.fixture
def learner():
    module = seeded(0, lambda: nn.Linear(3, 1))
    return Learner(module, torch.optim.AdamW(module.parameters(), lr=0.01))


def state(learner):
    return copy.deepcopy((learner.module.state_dict(), learner.optimizer.state_dict()["state"]))


def flat(tree):
    return torch.cat([value.flatten() for value in torch.utils._pytree.tree_leaves(tree)])


def test_step_lowers_the_loss_and_reports_the_gradient_norm(learner):
    x = torch.ones(1, 3)
    before = learner.module(x).square().sum()
    taken, norm = learner.step(before)
    assert taken
    assert norm > 0
    assert learner.module(x).square().sum() < before


def test_gradient_is_clipped_to_the_norm_asked_for(learner):
    _, norm = learner.step(1000 * learner.module(torch.ones(1, 3)).sum(), clip_norm=0.5)
    gradient = flat([parameter.grad for parameter in learner.module.parameters()])
    assert norm > 1000
    assert float(gradient.norm()) == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -float("inf")])
def test_loss_that_is_not_finite_changes_neither_weights_nor_moments(learner, factor):
    x = torch.ones(1, 3)
    learner.step(learner.module(x).sum())
    before = state(learner)
    assert not learner.step(learner.module(x).sum() * factor)[0]
    assert torch.equal(flat(state(learner)), flat(before))


def test_finite_loss_with_infinite_gradient_changes_nothing_and_the_next_step_is_clean(learner):
    before = state(learner)
    root = (learner.module.weight - learner.module.weight.detach()).sum().sqrt()
    assert torch.isfinite(root)
    taken, norm = learner.step(root)
    assert not taken
    assert not torch.isfinite(torch.tensor(norm))
    assert torch.equal(flat(state(learner)), flat(before))
    assert learner.step(learner.module(torch.ones(1, 3)).sum())[0]
    assert torch.isfinite(flat(state(learner))).all()
