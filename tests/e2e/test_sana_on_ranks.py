"""A large model's structure trains under FSDP2 on two processes as in one."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers")

from sana_ranks import NARROW_600M, STEPS, train_narrow_sana
from several_ranks import run_ranks
from small_models import awake, seeded

from linearsr.models.transformer import LinearTransformer


def flat(weights):
    return torch.cat([weights[name].flatten().double() for name in sorted(weights)])


def test_three_steps_on_two_processes_end_where_one_process_does(tmp_path):
    assert run_ranks(2, train_narrow_sana, str(tmp_path / "two"), "fsdp", 1) == [0, 0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train_narrow_sana(str(tmp_path / "one"), "ddp", 2)
    torch.set_num_threads(threads)
    two, one = (load_file(tmp_path / name / "end.safetensors") for name in ("two", "one"))
    start = seeded(0, lambda: awake(LinearTransformer(NARROW_600M))).state_dict()
    moved = float((flat(one) - flat(start)).norm())
    assert moved > 0
    # AdamW's first steps have the size of the learning rate whatever the gradient, so rounding shows where it is small.
    assert float((flat(two) - flat(one)).norm()) < 0.05 * moved
    lines = (tmp_path / "two/metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == STEPS - 1
