from __future__ import annotations

import sys

import pytest
import torch
from toy_training import InterruptedRunError, StopAt, ToyStage, stage_config

from linearsr.errors import ConfigError
from linearsr.training.distributed import Parallelism
from linearsr.training.loop import train
from linearsr.training.optimizers import build_optimizer


def test_adamw_is_the_default_and_takes_rate_and_decay():
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = build_optimizer([parameter], stage_config(weight_decay=0.1))
    assert isinstance(optimizer, torch.optim.AdamW)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (1e-2, 0.1)


def test_came_lowers_the_loss_and_keeps_sums_of_rows_and_columns(tmp_path):
    pytest.importorskip("pytorch_optimizer")
    losses = []
    config = stage_config(steps=150, optimizer="came")
    stage = ToyStage(config, width=8)
    losses = [float(stage.loss(1000)[0].detach())]
    train(stage, tmp_path)
    losses.append(float(stage.loss(1000)[0].detach()))
    assert losses[1] < 0.7 * losses[0]
    optimizer = build_optimizer(stage.module.parameters(), config)
    stage.module(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    memory = optimizer.state[stage.module.weight]
    assert {name: tuple(memory[name].shape) for name in ("exp_avg_sq_row", "exp_avg_sq_col")} == {
        "exp_avg_sq_row": (8,),
        "exp_avg_sq_col": (8,),
    }


def test_came_resumes_to_the_bit(tmp_path):
    pytest.importorskip("pytorch_optimizer")
    config = stage_config(steps=8, optimizer="came", weight_decay=0.1)
    train(ToyStage(config), tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        train(StopAt(ToyStage(config), 5), tmp_path / "parts")
    train(ToyStage(config), tmp_path / "parts")
    whole, parts = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    assert b"exp_avg_res_row" in whole


def test_came_refuses_shares_of_a_matrix(tmp_path):
    with pytest.raises(ConfigError, match="came cannot work on shares"):
        train(ToyStage(stage_config(optimizer="came")), tmp_path, parallelism=Parallelism(mode="fsdp"))


def test_missing_library_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(ConfigError, match=r"pip install 'linearsr\[came\]'"):
        build_optimizer([torch.nn.Parameter(torch.ones(1))], stage_config(optimizer="came"))
