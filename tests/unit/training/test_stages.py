"""Every stage trains what it should, and resumes to the bit (R13)."""

from __future__ import annotations

import pytest
import torch
from small_models import TRANSFORMER, awake, seeded, small_autoencoder, small_experts, small_transformer
from toy_training import InterruptedRunError, StopAt

from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.autoencoder import Decoder, Encoder
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.training.config import WHOLE, StageConfig
from linearsr.training.draws import Draws
from linearsr.training.loop import train
from linearsr.training.objective import ImageLoss, ImageLossWeights
from linearsr.training.stages import AutoencoderStage, BaseStage, FlowStage, LatentMix, PolishStage

STEPS = 10
LOSS = ImageLossWeights(l1=1.0, lpips=0.2, adversarial=0.05)


def config(**changes):
    values = {
        "name": "small",
        "steps": STEPS,
        "batch": 2,
        "lr_side": 16,
        "learning_rate": 1e-3,
        "warmup": 2,
        "save_every": 4,
    }
    return StageConfig(**(values | changes))


@pytest.fixture
def build(pool, perceptual):
    """Builds any stage afresh, always from the same weights."""

    def image_loss():
        return seeded(0, lambda: ImageLoss(LOSS, perceptual))

    def autoencoder():
        return small_autoencoder().to(memory_format=torch.channels_last)

    stages = {
        "base": lambda: BaseStage(config(), autoencoder(), pool, image_loss()),
        "autoencoder": lambda: AutoencoderStage(
            config(), autoencoder(), pool, image_loss(), LatentMix(intact=0.4, noised=0.3)
        ),
        "flow": lambda: FlowStage(config(), small_transformer(), autoencoder(), pool, TimestepDensity()),
        "expert": lambda: FlowStage(
            config(seed=3), small_transformer(), autoencoder(), pool, TimestepDensity(low=0.223, high=0.875)
        ),
        "polish": lambda: PolishStage(config(), autoencoder(), small_experts(), pool, image_loss()),
    }
    return lambda name: stages[name]()


every_stage = pytest.mark.parametrize("name", ["base", "autoencoder", "flow", "expert", "polish"])


def state(stage):
    modules = [stage.module, *(learner.module for learner in stage.auxiliary.values())]
    return [value.clone() for module in modules for value in module.state_dict().values()]


def same(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@every_stage
def test_loss_is_finite_and_a_pure_function_of_the_step(build, name):
    losses = [float(build(name).loss(step)[0].detach()) for step in (4, 4, 5)]
    assert torch.isfinite(torch.tensor(losses)).all()
    assert losses[0] == losses[1] != losses[2]


@every_stage
def test_resume_is_bit_exact(build, name, tmp_path):
    whole, resumed = build(name), build(name)
    initial = state(whole)
    average = train(whole, tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        train(StopAt(build(name), 9), tmp_path / "parts")  # saved at 8, just after a step without one of the experts
    assert same(list(train(resumed, tmp_path / "parts").values()), list(average.values()))
    assert same(state(resumed), state(whole))
    assert not same(state(whole), initial)


def test_latent_mix_keeps_noises_and_drops_its_shares():
    latent = torch.ones(2000, 2, 3, 3)
    draws = Draws(config(), 0, WHOLE)
    mixed = LatentMix(intact=0.5, noised=0.3).apply(latent, draws)
    intact, dropped = (mixed == 1).flatten(1).all(1), (mixed == 0).flatten(1).all(1)
    shares = [float(kind.float().mean()) for kind in (intact, dropped)]
    assert shares == pytest.approx([0.5, 0.2], abs=0.04)
    strength = (mixed - 1)[~intact & ~dropped].square().mean((1, 2, 3)).sqrt()
    assert 0 < strength.min() < 0.2
    assert strength.max() < 2
    assert (LatentMix(intact=0.0, noised=0.0).apply(latent, draws) == 0).all()
    assert torch.equal(LatentMix(intact=1.0, noised=0.0).apply(latent, draws), latent)


def test_autoencoder_stage_trains_every_parameter(build):
    stage = build("autoencoder")
    awake(stage.module)
    for step in range(6):
        stage.loss(step)[0].backward()
    assert [n for n, p in stage.module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_flow_stage_leaves_the_autoencoder_alone(build):
    stage = build("flow")
    stage.loss(0)[0].backward()
    assert all(parameter.grad is None for parameter in stage._autoencoder.parameters())
    assert all(parameter.grad is not None for parameter in stage.module.parameters())


def test_expert_sees_only_timesteps_of_its_interval(build, monkeypatch):
    stage, seen = build("expert"), []
    forward = stage.module.forward
    monkeypatch.setattr(stage.module, "forward", lambda z, t, lr: seen.extend(t.tolist()) or forward(z, t, lr))
    for step in range(8):
        stage.loss(step)
    assert len(seen) == 16
    assert all(0.223 <= t <= 0.875 for t in seen)


def test_polish_trains_decoder_and_detail_experts_only(build):
    stage = build("polish")
    for step in range(4):
        stage.loss(step)[0].backward()
    experts = stage._experts.experts
    assert set(stage.module) == {"decoder", "expert2", "expert3"}
    assert all(parameter.grad is not None for parameter in stage.module.parameters())
    frozen = [*experts[0].parameters(), *experts[1].parameters(), *stage._autoencoder.encoder.parameters()]
    assert all(parameter.grad is None for parameter in frozen)


def test_polish_image_gradient_flows_through_the_sampling_steps(build, monkeypatch):
    stage = build("polish")
    monkeypatch.setattr(stage, "VELOCITY_WEIGHT", 0.0)
    stage.loss(0)[0].backward()
    for index in stage.detail_experts:
        assert stage.module[f"expert{index}"].patch_out.weight.grad.abs().sum() > 0


def test_base_trains_the_decoder_and_never_runs_the_encoder(build, monkeypatch):
    monkeypatch.setattr(Encoder, "forward", None)
    stage = build("base")
    assert isinstance(stage.module, Decoder)
    stage.loss(0)[0].backward()
    touched = {name for name, parameter in stage.module.named_parameters() if parameter.grad is not None}
    assert touched == dict(stage.module.named_parameters()).keys()


@pytest.mark.parametrize(("boundaries", "detail"), [((), [0]), ((0.875,), [1]), ((0.75, 0.5, 0.25), [2, 3])])
def test_polish_trains_the_half_of_the_experts_near_the_data(pool, perceptual, boundaries, detail):
    experts = seeded(0, lambda: awake(ExpertTransformer(ExpertsConfig(boundaries=boundaries), TRANSFORMER)))
    stage = PolishStage(config(), small_autoencoder(), experts, pool, ImageLoss(ImageLossWeights(), perceptual))
    assert list(stage.detail_experts) == detail
    stage.loss(0)[0].backward()
    assert set(stage.module) == {"decoder", *(f"expert{index}" for index in detail)}
