"""What the judge of noise learns from."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from small_models import small_denoiser
from small_stages import small_config, synthetic_pool

from linearsr.data.noise_mixes import judging_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.errors import TrainingError
from linearsr.models.noise_cells import noise_cells
from linearsr.models.noise_judge import FEATURES
from linearsr.training.config import Part
from linearsr.training.denoising import strength_of
from linearsr.training.judging import AT_ONCE, QUANTILE, CellPool, JudgeStage
from linearsr.training.loop import train


@pytest.fixture
def pairs():
    return NoisyPairs(synthetic_pool(), judging_mix())


def test_the_pool_holds_those_pictures_that_come_to_the_judge(pairs):
    denoiser = small_denoiser()
    denoiser.meter.forward = lambda lr: torch.where(lr[:, 0, 0, 0] > 0, 2.0, 0.0)
    pool = CellPool.of(pairs, denoiser, count=AT_ONCE + 1, lr_side=16, seed=3)
    batches = [pairs.batch(step, seed=3, size=AT_ONCE, lr_side=16) for step in range(2)]
    noisy, clean = (torch.cat(images) for images in zip(*batches, strict=True))
    comes = noisy[:, 0, 0, 0] > 0
    assert 0 < int(comes.sum()) < 2 * AT_ONCE
    torch.testing.assert_close(pool.strengths, strength_of(noisy[comes], clean[comes]).log())
    torch.testing.assert_close(pool.cells.float(), noise_cells(noisy[comes], denoiser), atol=4e-3, rtol=2e-3)


def test_where_the_meter_finds_nothing_at_all_every_picture_comes(pairs):
    denoiser = small_denoiser()
    denoiser.meter.forward = lambda lr: torch.zeros(len(lr))
    assert len(CellPool.of(pairs, denoiser, count=AT_ONCE, lr_side=16, seed=3).cells) == AT_ONCE


@pytest.mark.parametrize("factor", [math.nan, 100.0])
def test_spoiled_pictures_do_not_come_into_the_pool(pairs, factor):
    class Spoiled:
        def batch(self, step, **options):
            lr, hr = synthetic_pool().batch(step, **options)
            hr[::2] *= factor
            return lr, hr

    pool = CellPool.of(NoisyPairs(Spoiled(), judging_mix()), small_denoiser(), count=AT_ONCE, lr_side=16, seed=0)
    assert len(pool.cells) == AT_ONCE // 2
    assert pool.cells.isfinite().all()
    assert pool.strengths.isfinite().all()


def test_a_pool_that_is_no_number_never_reaches_the_weights(tmp_path):
    denoiser = small_denoiser()
    before = copy.deepcopy(denoiser.judge.state_dict())
    stage = JudgeStage(small_config(), denoiser.judge, CellPool(torch.full((4, 2, FEATURES), math.nan), torch.zeros(4)))
    with pytest.raises(TrainingError, match="unusable"):
        train(stage, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in denoiser.judge.state_dict().items())


def test_a_pool_is_read_as_it_was_written_and_damage_is_noticed(pairs, tmp_path):
    pool, path = CellPool.of(pairs, small_denoiser(), count=8, lr_side=16, seed=0), tmp_path / "cells.safetensors"
    pool.save(path)
    read = CellPool.load(path)
    assert torch.equal(read.cells, pool.cells)
    assert torch.equal(read.strengths, pool.strengths)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(TrainingError, match="does not match its SHA-256; delete it"):
        CellPool.load(path)


def test_to_find_too_little_costs_more_than_to_find_too_much():
    pool, judge = CellPool(torch.zeros(4, 2, FEATURES), torch.full((4,), 2.0)), small_denoiser().judge
    stage = JudgeStage(small_config(), judge, pool)
    losses = []
    for estimate in (1.0, 2.0, 3.0):
        judge.forward = lambda cells, found=estimate: torch.full((len(cells),), found)
        losses.append(float(stage.loss(0)[0]))
    assert losses == pytest.approx([QUANTILE, 0, 1 - QUANTILE])
    assert losses[0] > losses[2]


def test_parts_of_a_batch_are_the_batch(pairs):
    denoiser = small_denoiser()
    pool = CellPool.of(pairs, denoiser, count=16, lr_side=16, seed=0)
    stage = JudgeStage(small_config(batch=4), denoiser.judge, pool)
    whole, values = stage.loss(2)
    parts = [float(stage.loss(2, part)[0].detach()) for part in Part.all(2)]
    assert sum(parts) / 2 == pytest.approx(float(whole.detach()), rel=1e-5)
    assert values == {"log_strength": pytest.approx(float(whole.detach()))}
    assert float(stage.loss(3)[0].detach()) != float(whole.detach())
