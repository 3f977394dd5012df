from __future__ import annotations

import json
import math
import sys
import time

import pytest
from toy_training import InterruptedRunError, StopAt, ToyStage, stage_config

from linearsr.errors import ConfigError
from linearsr.training.loop import Watch, train
from linearsr.training.sinks import open_sinks
from linearsr.training.validation import Measurement, Validation


def write(run, boards=(), steps=(0, 1)):
    with open_sinks(run, "toy", boards, done=steps[0]) as sinks:
        for step in steps:
            sinks.training(step, {"loss": 1.234567 / (step + 1)})
        sinks.validation(steps[-1], {"psnr": 20.0})


def test_the_journal_holds_training_values_rounded_and_goes_on_after_a_resume(tmp_path):
    write(tmp_path)
    write(tmp_path, steps=(1, 2))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 1, 2]
    assert lines[0] == {"step": 0, "stage": "toy", "loss": 1.23457}


def read_events(run):
    """Name -> {step: value} of every event file below ``run``."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {name: {event.step: event.value for event in events.Scalars(name)} for name in events.Tags()["scalars"]}


def test_tensorboard_reads_back_what_a_run_wrote_across_a_resume(tmp_path):
    pytest.importorskip("tensorboard")
    config = stage_config(log_every=1)
    validation = Validation(every=3, measure=lambda: Measurement({"psnr": 21.0}))
    watch = Watch(boards=("tensorboard",))
    with pytest.raises(InterruptedRunError):
        train(StopAt(ToyStage(config), 5), tmp_path, validation, watch=watch)
    train(ToyStage(config), tmp_path, validation, watch=watch)
    curves = read_events(tmp_path)
    journal = {r["step"]: r["loss"] for r in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())}
    assert sorted(curves["training/loss"]) == list(range(1, 7))
    assert all(math.isclose(curves["training/loss"][step + 1], loss, abs_tol=1e-4) for step, loss in journal.items())
    assert curves["validation/psnr"] == {3: 21.0, 6: 21.0}


def test_wandb_keeps_an_offline_run_below_the_run_folder(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    write(tmp_path, ("wandb",))
    (log,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    expected, deadline = (b"training/loss", b"validation/psnr", b"0.6172835"), time.monotonic() + 20
    while not all(part in log.read_bytes() for part in expected):  # wandb's own process writes it
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard.writer"), ("wandb", "wandb")])
def test_missing_board_is_named_with_how_to_get_it(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'linearsr\[{name}\]'"):
        write(tmp_path, (name,))


def test_unknown_board_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no metric board 'csv'"):
        write(tmp_path, ("csv",))
