import pytest
import torch
from small_models import small_autoencoder, small_transformer
from toy_training import ToyStage, stage_config

from linearsr.bench import train
from linearsr.bench.macs import count_macs
from linearsr.bench.train import TrainTiming, flow_stage, render_training, time_training


def test_the_flow_stage_is_timed():
    config = stage_config(steps=2, batch=3, lr_side=16)
    stage = flow_stage(config, small_transformer(), small_autoencoder())
    timing = time_training(stage)
    assert (timing.stage, timing.batch, timing.lr_side, timing.steps) == ("toy", 3, 16, 2)
    assert timing.images_per_second == pytest.approx(3 / timing.seconds)
    assert timing.parameters == sum(p.numel() for p in small_transformer().parameters())


def test_only_the_steps_after_the_warm_up_count(monkeypatch):
    clock = iter([0.0, 100.0, 101.0, 104.0, 109.0])
    stage = ToyStage(stage_config(steps=5))
    monkeypatch.setattr(train.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(
        train, "train", lambda stage, run, watch: [watch.on_step(stage.config, i, {}) for i in range(5)]
    )
    assert time_training(stage).seconds == 3.0


def test_the_multiply_adds_are_those_of_one_step_forward_and_backward():
    stage = ToyStage(stage_config(steps=3))
    forward = 8 * 4 * 4
    # Two passes through the map and the helper, less the gradient of inputs that need none.
    assert forward < time_training(stage).macs < 20 * forward


def test_a_step_of_the_flow_stage_costs_what_its_layers_say():
    stage = flow_stage(stage_config(steps=1, batch=2, lr_side=16), small_transformer(), small_autoencoder())
    transformer = small_transformer()
    z, t, lr = torch.zeros(2, 4, 2, 2), torch.ones(2), torch.zeros(2, 3, 16, 16)
    forward = count_macs(lambda: transformer(z, t, lr))
    with torch.no_grad():
        encoded = count_macs(lambda: stage.loss(0)) - forward
    # The backward pass is twice the forward one, less the gradient of inputs that need none; targets have none at all.
    assert 2.5 * forward < time_training(stage).macs - encoded <= 3 * forward


def test_the_table_shows_throughput_and_the_share_of_the_peak(machine):
    timing = TrainTiming(
        stage="flow", batch=16, lr_side=64, steps=5, parameters=9_200_000, seconds=2.0, macs=10**9, memory=None
    )
    text = render_training(timing, machine)
    cells = [cell.strip() for cell in text.splitlines()[2].split("|")[1:-1]]
    assert cells == ["flow", "16", "256x256", "9.2 M", "2.00", "8.00", "1.0 G", "50.0 %", "-"]
    assert "Median of 5 steps" in text


def test_the_pool_of_noise_is_large_enough_for_its_crops():
    stage = flow_stage(stage_config(batch=2, lr_side=24), small_transformer(), small_autoencoder())
    loss, _ = stage.loss(0)
    assert torch.isfinite(loss)
