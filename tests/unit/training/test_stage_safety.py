"""R15, for every stage: what is planted into a batch or a gradient reaches neither weights nor moments."""

from __future__ import annotations

import math

import pytest
import torch
from small_stages import EVERY_STEP_ANEW, NAMES, small_stage

from linearsr.errors import TrainingError
from linearsr.training import guards
from linearsr.training.loop import train

STEPS = 8
SPOILED = STEPS - 1


class SpoiledPairs:
    """Pairs that are multiplied at some steps: a batch of NaN, or a hundred times too bright."""

    def __init__(self, pool, factors):
        self._pool, self._factors = pool, factors

    def batch(self, step, **asked):
        factor = self._factors.get(step, 1.0)
        return tuple(images * factor for images in self._pool.batch(step, **asked))


@pytest.fixture(autouse=True)
def _early_median(monkeypatch):
    monkeypatch.setattr(guards, "FEWEST", 4)


def end_of(stage, run):
    """Everything that a spoiled step must leave as it was."""
    train(stage, run)
    modules = [stage.module, *(learner.module for learner in stage.auxiliary.values())]
    tensors = [value.clone() for module in modules for value in module.state_dict().values()]
    for learner in stage.auxiliary.values():
        tensors += [moment for state in learner.optimizer.state.values() for moment in state.values()]
    return tensors


def same(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def constant_rate(**changes):
    """Runs of different lengths must take the same steps."""
    return {"warmup": 0, "final_rate": 1.0, "save_every": 2} | changes


@pytest.mark.parametrize("name", EVERY_STEP_ANEW)
def test_a_spoiled_last_step_leaves_everything_as_it_was(name, pool, perceptual, tmp_path):
    before = end_of(small_stage(name, pool, perceptual, **constant_rate(steps=SPOILED)), tmp_path / "before")
    after = end_of(small_stage(name, pool, perceptual, **constant_rate(steps=STEPS)), tmp_path / "after")
    assert not same(before, after)
    for kind, factor in {"nan": math.nan, "infinite": math.inf, "bright": 100.0}.items():
        pairs = SpoiledPairs(pool, {SPOILED: factor})
        assert same(
            end_of(small_stage(name, pairs, perceptual, **constant_rate(steps=STEPS)), tmp_path / kind), before
        ), kind


@pytest.mark.parametrize("name", NAMES)
def test_an_infinite_gradient_of_a_finite_loss_leaves_everything_as_it_was(name, pool, perceptual, tmp_path):
    before = end_of(small_stage(name, pool, perceptual, **constant_rate(steps=SPOILED)), tmp_path / "before")
    stage = small_stage(name, pool, perceptual, **constant_rate(steps=STEPS))
    plain, weight = stage.loss, next(stage.module.parameters())

    def loss(step, part):
        value, parts = plain(step, part)
        root = (weight - weight.detach()).sum().sqrt()  # 0, with an infinite slope
        return value + (root if step == SPOILED else 0), parts

    stage.loss = loss
    assert same(end_of(stage, tmp_path / "spoiled"), before)


@pytest.mark.parametrize("name", EVERY_STEP_ANEW)
def test_three_spoiled_steps_stop_the_stage_at_its_last_good_checkpoint(name, pool, perceptual, tmp_path):
    pairs = SpoiledPairs(pool, dict.fromkeys((4, 5, 6), math.nan))
    with pytest.raises(TrainingError, match="the last good checkpoint, after 4 steps, stays in"):
        train(small_stage(name, pairs, perceptual, **constant_rate(steps=STEPS)), tmp_path)
