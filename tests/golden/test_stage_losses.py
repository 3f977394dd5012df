"""R16: the first 20 losses of every stage are those on record."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from small_stages import NAMES

SPEC = importlib.util.spec_from_file_location("stage_losses", Path(__file__).with_name("stage_losses.py"))
assert SPEC is not None
assert SPEC.loader is not None
stage_losses = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(stage_losses)
GOLDEN = json.loads(stage_losses.FILE.read_text(encoding="utf-8"))


@pytest.mark.skipif(
    torch.__version__.split("+")[0] != GOLDEN["torch"].split("+")[0],
    reason=f"the losses on record are those of torch {GOLDEN['torch']}, another may round differently",
)
@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_on_record(name, tmp_path):
    losses = stage_losses.losses_of(name, tmp_path)
    if stage_losses.cpu() == GOLDEN["cpu"]:
        assert losses == GOLDEN["losses"][name]
    else:  # a Xeon and an EPYC are up to 0.7 % apart
        assert losses == pytest.approx(GOLDEN["losses"][name], rel=1e-2)


def test_every_stage_is_on_record_with_twenty_losses_that_differ():
    assert GOLDEN["losses"].keys() == set(NAMES)
    assert all(len(losses) == len(set(losses)) == stage_losses.STEPS for losses in GOLDEN["losses"].values())
