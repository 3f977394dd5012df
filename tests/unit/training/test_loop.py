"""R13 and R15: one loop that resumes to the bit and keeps what is not finite out of the weights."""

from __future__ import annotations

import json

import pytest
import torch
from toy_training import InterruptedRunError, StopAt, ToyStage, stage_config

from linearsr.errors import TrainingError
from linearsr.training.config import Execution
from linearsr.training.loop import Watch, learning_rate_factor, train
from linearsr.training.tensors import read_tensors
from linearsr.training.validation import Measurement, Validation, load_snapshot, read_curves

NAN, INFINITE = (lambda loss: loss * float("nan")), (lambda loss: (loss - loss.detach()).sqrt())
"""Spoilers: a loss that is not finite, and a finite one whose gradient is not."""


def spike(loss):
    return loss * 100


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def records(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_training_lowers_the_loss_and_returns_the_average(tmp_path):
    stage = ToyStage(stage_config(steps=150, learning_rate=5e-2, log_every=1))
    average = train(stage, tmp_path)
    losses = [record["loss"] for record in records(tmp_path)]
    assert len(losses) == 150
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert not same(average, stage.module.state_dict())
    assert {"step", "stage", "seconds_per_step", "grad_norm", "toy"} <= records(tmp_path)[0].keys()


@pytest.mark.parametrize("stop", [3, 5])
@pytest.mark.parametrize("spoil", [{}, {1: NAN}])
def test_resume_is_bit_exact(tmp_path, stop, spoil):
    whole = ToyStage(stage_config(), spoil=spoil)
    expected = train(whole, tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        train(StopAt(ToyStage(stage_config(), spoil=spoil), stop), tmp_path / "parts")
    resumed = ToyStage(stage_config(), spoil=spoil)
    assert same(train(resumed, tmp_path / "parts"), expected)
    assert same(resumed.module.state_dict(), whole.module.state_dict())
    assert (tmp_path / "parts/checkpoint.safetensors").read_bytes() == (
        tmp_path / "whole/checkpoint.safetensors"
    ).read_bytes()


def test_finished_run_is_returned_without_training_again(tmp_path):
    expected = train(ToyStage(stage_config()), tmp_path)
    assert same(train(StopAt(ToyStage(stage_config()), 0), tmp_path), expected)


@pytest.mark.parametrize("spoiler", [NAN, INFINITE])
def test_spoiled_step_is_left_out(tmp_path, spoiler):
    """The run ends as if the optimizer had not seen that step at all."""
    spoiled, skipped = (ToyStage(stage_config(steps=1), spoil=spoil) for spoil in ({0: spoiler}, {}))
    initial = {name: value.clone() for name, value in spoiled.module.state_dict().items()}
    average = train(spoiled, tmp_path / "spoiled")
    assert same(spoiled.module.state_dict(), initial)
    assert same(average, initial)
    train(skipped, tmp_path / "skipped")
    assert not same(skipped.module.state_dict(), initial)


@pytest.mark.parametrize("spoiler", [NAN, INFINITE])
def test_three_spoiled_steps_in_a_row_stop_the_run(tmp_path, spoiler):
    stage = ToyStage(stage_config(), spoil=dict.fromkeys((0, 1, 2), spoiler))
    with pytest.raises(TrainingError, match=r"up to step 2 of toy .*no checkpoint exists yet; lower learning_rate"):
        train(stage, tmp_path)
    assert all(torch.isfinite(value).all() for value in stage.module.state_dict().values())


def test_a_stopped_run_is_rolled_back_to_its_last_good_checkpoint(tmp_path):
    """A save is due after step 6, amid the skipped steps: the checkpoint stays the one after step 3."""
    good = ToyStage(stage_config(steps=3))
    train(good, tmp_path / "good")
    stage = ToyStage(stage_config(steps=9), spoil=dict.fromkeys((4, 5, 6), NAN))
    with pytest.raises(TrainingError, match=r"after 3 steps, stays in .*bad"):
        train(stage, tmp_path / "bad")
    kept, _ = read_tensors(tmp_path / "bad/checkpoint.safetensors", remedy="")
    assert int(kept["step"]) == 3
    assert same(stage.module.state_dict(), {n[7:]: v for n, v in kept.items() if n.startswith("module/")})
    helper = stage.auxiliary["helper"].module.state_dict()
    assert same(helper, {n[14:]: v for n, v in kept.items() if n.startswith("helper/module/")})


@pytest.mark.parametrize("spoiler", [NAN, INFINITE, spike])
def test_what_learns_alongside_skips_a_spoiled_step_too(tmp_path, spoiler):
    stage = ToyStage(stage_config(steps=31), spoil={30: spoiler})
    before = ToyStage(stage_config(steps=31))
    train(stage, tmp_path / "spoiled")
    with pytest.raises(InterruptedRunError):
        train(StopAt(before, 30), tmp_path / "before")
    assert same(stage.auxiliary["helper"].module.state_dict(), before.auxiliary["helper"].module.state_dict())


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_parts_equal_the_whole_batch(tmp_path, accumulate):
    whole = train(ToyStage(stage_config(batch=8)), tmp_path / "whole")
    config = stage_config(batch=8, execution=Execution(accumulate=accumulate))
    parts = train(ToyStage(config), tmp_path / "parts")
    del whole["average"], parts["average"]  # it moves once a part
    for name, value in whole.items():
        assert torch.allclose(parts[name], value, rtol=1e-4, atol=1e-6), name
    losses = [records(tmp_path / name)[0]["loss"] for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_last_step_is_validated_whatever_the_interval(tmp_path):
    train(ToyStage(stage_config(steps=5)), tmp_path, Validation(every=3, measure=lambda: Measurement({"psnr": 1.0})))
    assert read_curves(tmp_path)["step"] == [3, 5]


def test_every_step_is_told(tmp_path):
    told = []
    watch = Watch(on_step=lambda config, done, values: told.append((config.name, done, sorted(values))))
    train(ToyStage(stage_config(steps=3)), tmp_path, watch=watch)
    names = ["grad_norm", "loss", "seconds_per_step", "toy"]
    assert told == [("toy", done, names) for done in (1, 2, 3)]


def test_spoiled_steps_apart_do_not_stop_the_run(tmp_path):
    stage = ToyStage(stage_config(), spoil=dict.fromkeys((0, 1, 3, 4), NAN))
    assert all(torch.isfinite(value).all() for value in train(stage, tmp_path).values())


def test_a_spike_is_left_out_once_there_is_a_median_to_tell_it_by(tmp_path):
    """The weights after a spike at step 30 are those of a run whose step 30 was not finite: both are skipped."""
    spiked, skipped = (ToyStage(stage_config(steps=31), spoil={30: spoiler}) for spoiler in (spike, NAN))
    train(spiked, tmp_path / "spiked")
    train(skipped, tmp_path / "skipped")
    assert same(spiked.module.state_dict(), skipped.module.state_dict())
    early = ToyStage(stage_config(steps=6), spoil={5: spike})
    plain = ToyStage(stage_config(steps=5))
    train(early, tmp_path / "early")
    train(plain, tmp_path / "plain")
    assert not same(early.module.state_dict(), plain.module.state_dict())


def test_three_spikes_in_a_row_stop_the_run(tmp_path):
    stage = ToyStage(stage_config(steps=40), spoil=dict.fromkeys((30, 31, 32), spike))
    with pytest.raises(TrainingError, match="step 32 of toy were unusable"):
        train(stage, tmp_path)


def test_resume_remembers_what_a_spike_is_measured_by(tmp_path):
    whole = ToyStage(stage_config(steps=36), spoil={33: spike})
    expected = train(whole, tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        train(StopAt(ToyStage(stage_config(steps=36), spoil={33: spike}), 32), tmp_path / "parts")
    assert same(train(ToyStage(stage_config(steps=36), spoil={33: spike}), tmp_path / "parts"), expected)


def test_learning_rate_warms_up_then_falls_to_its_final_share():
    config = stage_config(steps=100, warmup=10, final_rate=0.1)
    rates = [learning_rate_factor(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[50] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert learning_rate_factor(0, stage_config(warmup=0)) == 1


def test_learning_rate_reaches_the_optimizer(tmp_path):
    moved = []
    for rate in (1e-3, 1e-2):
        stage = ToyStage(stage_config(steps=1, learning_rate=rate, warmup=0))
        before = stage.module.weight.detach().clone()
        train(stage, tmp_path / str(rate))
        moved.append(float((stage.module.weight.detach() - before).abs().max()))
    assert moved == pytest.approx([1e-3, 1e-2], rel=1e-2)  # Adam's first step has the length of the learning rate


def test_validation_sees_the_average_and_does_not_disturb_the_training(tmp_path):
    plain, watched = ToyStage(stage_config()), ToyStage(stage_config(log_every=1))
    seen = []

    def measure():
        seen.append({name: value.clone() for name, value in watched.module.state_dict().items()})
        return Measurement({"psnr": float(len(seen))})

    expected = train(plain, tmp_path / "plain")
    average = train(watched, tmp_path / "watched", Validation(every=2, measure=measure))
    assert same(average, expected)
    assert same(watched.module.state_dict(), plain.module.state_dict())
    assert len(seen) == 3
    assert same(seen[-1], average)
    assert all(same(load_snapshot(tmp_path / "watched", step), seen[step // 2 - 1]) for step in (2, 4, 6))
    curves = read_curves(tmp_path / "watched")
    assert (curves["step"], curves["psnr"]) == ([2, 4, 6], [1, 2, 3])
    logged = {record["step"]: record["loss"] for record in records(tmp_path / "watched")}
    assert curves["loss"][-1] == pytest.approx(sum(logged.values()) / 6, abs=1e-4)
