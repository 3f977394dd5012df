"""R12: checkpoints lose nothing and damage is noticed."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save
from several_ranks import run_as_rank, save_again, two_stages
from torch import nn
from toy_training import ToyStage, stage_config

from linearsr.errors import TrainingError
from linearsr.training.checkpoint import FILE_NAME, MAIN, load_checkpoint, save_checkpoint
from linearsr.training.ema import EMA
from linearsr.training.guards import StepGuard
from linearsr.training.learner import Learner, step_together
from linearsr.training.tensors import write_tensors


def fresh(build=lambda: nn.Linear(3, 2)):
    module = build()
    main = Learner(module, torch.optim.AdamW(module.parameters(), lr=0.1))
    return {MAIN: main, **ToyStage(stage_config()).auxiliary}, EMA(module, 0.9), StepGuard()


def step_down(learner, loss):
    learner.optimizer.zero_grad()
    loss.backward()
    assert step_together([learner], usable=True)[0]


def trained(run, build=lambda: nn.Linear(3, 2)):
    learners, ema, guard = fresh(build)
    main = learners[MAIN]
    for step in range(3):
        step_down(main, main.module(torch.ones(1, 3, *(4, 4) * (build().weight.ndim == 4))).square().sum())
        ema.update(main.module, step)
        guard.count(taken=step < 2, loss=0.5 + step)
    save_checkpoint(run, learners, ema, guard, step=3)
    return learners, ema, guard


def tensors_of(learners, ema, guard):
    tensors = {**ema.state_dict(), "guard": guard.state()}
    for key, learner in learners.items():
        tensors |= {f"{key}{name}": value for name, value in learner.module.state_dict().items()}
        for name, parameter in learner.module.named_parameters():
            state = learner.optimizer.state.get(parameter, {})
            tensors |= {f"{key}{moment}{name}": value for moment, value in state.items()}
    return tensors


def refused(run):
    with pytest.raises(TrainingError) as caught:
        load_checkpoint(run, *fresh())
    return str(caught.value)


def test_nothing_saved_means_step_zero(tmp_path):
    assert load_checkpoint(tmp_path, *fresh()) == 0


def test_everything_is_restored_to_the_bit(tmp_path):
    expected = tensors_of(*trained(tmp_path))
    restored = fresh()
    assert load_checkpoint(tmp_path, *restored) == 3
    actual = tensors_of(*restored)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(actual[name], value) for name, value in expected.items())


def test_moments_return_in_the_memory_layout_of_their_parameter(tmp_path):
    def build():
        return nn.Conv2d(3, 2, 3).to(memory_format=torch.channels_last)

    trained(tmp_path, build)
    learners, ema, guard = fresh(build)
    load_checkpoint(tmp_path, learners, ema, guard)
    weight = learners[MAIN].module.weight
    assert learners[MAIN].optimizer.state[weight]["exp_avg"].stride() == weight.stride()
    assert ema.shadow["weight"].stride() == weight.stride()


def test_adam_counts_steps_of_each_parameter_by_itself(tmp_path):
    learners, ema, guard = fresh(lambda: nn.Linear(1, 1))
    module = learners[MAIN].module
    for used in (module.weight, module.weight, module.bias):
        step_down(learners[MAIN], used.sum())
    save_checkpoint(tmp_path, learners, ema, guard, step=3)
    restored, *averages = fresh(lambda: nn.Linear(1, 1))
    load_checkpoint(tmp_path, restored, *averages)
    module, state = restored[MAIN].module, restored[MAIN].optimizer.state
    assert (state[module.weight]["step"], state[module.bias]["step"]) == (2, 1)


def test_any_flipped_bit_is_noticed_or_harmless(tmp_path):
    trained(tmp_path)
    path, generator = tmp_path / FILE_NAME, torch.Generator().manual_seed(0)
    whole, expected = path.read_bytes(), tensors_of(*_loaded(tmp_path))
    noticed = 0
    for place in torch.randperm(len(whole), generator=generator)[:600].tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(torch.randint(8, (1,), generator=generator))
        path.write_bytes(damaged)
        try:
            tensors = tensors_of(*_loaded(tmp_path))
        except TrainingError:
            noticed += 1
            continue
        assert all(torch.equal(tensors[name], value) for name, value in expected.items())
    assert noticed > 550


def _loaded(run):
    restored = fresh()
    assert load_checkpoint(run, *restored) == 3
    return restored


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_truncated_checkpoint_is_refused_with_its_path_and_a_remedy(tmp_path, length):
    trained(tmp_path)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:length])
    message = refused(tmp_path)
    assert str(path) in message
    assert "delete it" in message


def test_changed_weight_is_refused_by_its_digest(tmp_path):
    trained(tmp_path)
    path = tmp_path / FILE_NAME
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
    assert "does not match its SHA-256" in refused(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"sha256": "0"}])
def test_safetensors_file_of_another_kind_is_refused(tmp_path, metadata):
    (tmp_path / FILE_NAME).write_bytes(save({"weight": torch.zeros(1)}, metadata=metadata))
    assert "SHA-256" in refused(tmp_path)


def test_tensors_that_are_no_checkpoint_are_refused(tmp_path):
    write_tensors(tmp_path / FILE_NAME, {"weight": torch.zeros(1)})
    assert "holds no step" in refused(tmp_path)


@pytest.mark.parametrize("build", [lambda: nn.Linear(3, 5), lambda: nn.Linear(3, 2, bias=False)])
def test_checkpoint_of_another_architecture_is_refused(tmp_path, build):
    trained(tmp_path, build)
    assert "another model" in refused(tmp_path)


def test_checkpoint_that_lacks_what_is_trained_alongside_is_refused(tmp_path):
    learners, ema, guard = fresh()
    save_checkpoint(tmp_path, {MAIN: learners[MAIN]}, ema, guard, step=1)
    assert "another model or loss" in refused(tmp_path)


def test_leftovers_of_a_killed_save_and_of_a_killed_validation_are_cleared(tmp_path):
    trained(tmp_path)
    (tmp_path / "samples").mkdir()
    for name in (f".{FILE_NAME}.abc.part", "samples/.00000005.png.abc.part"):
        (tmp_path / name).write_bytes(b"torn")
    load_checkpoint(tmp_path, *fresh())
    assert {path.name for path in tmp_path.rglob("*")} == {FILE_NAME, "samples"}


def test_seen_from_the_second_rank_the_main_one_clears_and_writes(tmp_path, monkeypatch):
    two_stages(str(tmp_path), "ddp", 1)
    source, leftover = tmp_path / "second", tmp_path / "second" / f".{FILE_NAME}.abc.part"
    leftover.write_bytes(b"torn")
    run_as_rank(1, monkeypatch, save_again, str(source), str(tmp_path / "again"), "ddp")
    assert (tmp_path / "again" / FILE_NAME).read_bytes() == (source / FILE_NAME).read_bytes()
    assert not leftover.exists()
