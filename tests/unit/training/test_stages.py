"""Every stage trains what it should, and resumes to the bit (R13)."""

from __future__ import annotations

import copy

import pytest
import torch
from small_models import TRANSFORMER, awake, seeded, small_autoencoder, small_transformer
from small_stages import NAMES, small_config, small_stage
from toy_training import InterruptedRunError, StopAt

from linearsr.data.defocus import DefocusedPairs
from linearsr.data.degraded import DegradedPairs
from linearsr.data.presets import training_mix
from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.autoencoder import Decoder, Encoder
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.training.config import WHOLE, Execution, Part
from linearsr.training.draws import Draws
from linearsr.training.loop import train
from linearsr.training.objective import ImageLoss, ImageLossWeights
from linearsr.training.stages import FlowStage, GuidanceMix, LatentMix, PolishStage, step_crops


@pytest.fixture
def build(pool, perceptual):
    """Builds any stage afresh, always from the same weights."""
    return lambda name, **changes: small_stage(name, pool, perceptual, **changes)


every_stage = pytest.mark.parametrize("name", NAMES)


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


@pytest.mark.parametrize("name", ["base", "flow", "expert", "polish"])
def test_two_parts_of_a_batch_give_the_loss_and_gradients_of_the_whole(build, name):
    """Not the autoencoder, whose encoder is normalised by the batch it sees; nor what changes whenever it is run."""
    found = []
    for count in (1, 2):
        stage = build(name, weights=ImageLossWeights(l1=1.0, lpips=0.2))
        losses = [stage.loss(0, part)[0] for part in Part.all(count)]
        for loss in losses:
            loss.backward()
        gradients = [parameter.grad / count for parameter in stage.module.parameters()]
        found.append([torch.stack(losses).mean().detach(), *gradients])
    for whole, parts in zip(*found, strict=True):
        assert torch.allclose(whole, parts, rtol=1e-3, atol=1e-5)


@every_stage
def test_bf16_and_recomputation_train_too(build, name, tmp_path):
    execution = Execution(precision="bf16", recompute=True)
    average = train(build(name, steps=2, execution=execution), tmp_path)
    assert {value.dtype for value in average.values()} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in average.values())


def test_pairs_are_degraded_in_full_precision_whatever_the_networks_run_in(pool):
    config = small_config()
    pairs = DegradedPairs(DefocusedPairs(pool, 1.0), training_mix())
    plain = step_crops(pairs, config, 0, WHOLE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = step_crops(pairs, config, 0, WHOLE)
    assert all(torch.equal(a, b) for a, b in zip(plain, lowered, strict=True))


def test_latent_mix_keeps_noises_and_drops_its_shares():
    latent = torch.ones(2000, 2, 3, 3)
    draws = Draws(small_config(), 0, WHOLE)
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
    monkeypatch.setattr(stage.module, "forward", lambda z, t, *told: seen.extend(t.tolist()) or forward(z, t, *told))
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


def test_distillation_trains_the_noisiest_expert_towards_where_the_others_end(build):
    stage = build("distill")
    before = copy.deepcopy(stage._teacher.state_dict())
    optimizer = torch.optim.AdamW(stage.module.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss, _ = stage.loss(0)  # the same noise and pictures every time
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in stage._teacher.state_dict().items())


@pytest.mark.parametrize(("boundaries", "detail"), [((), [0]), ((0.875,), [1]), ((0.75, 0.5, 0.25), [2, 3])])
def test_polish_trains_the_half_of_the_experts_near_the_data(pool, perceptual, boundaries, detail):
    experts = seeded(0, lambda: awake(ExpertTransformer(ExpertsConfig(boundaries=boundaries), TRANSFORMER)))
    stage = PolishStage(small_config(), small_autoencoder(), experts, pool, ImageLoss(ImageLossWeights(), perceptual))
    assert list(stage.detail_experts) == detail
    stage.loss(0)[0].backward()
    assert set(stage.module) == {"decoder", *(f"expert{index}" for index in detail)}


def guided(drop):
    def source(pictures):
        assert float(pictures.amin()) >= 0
        tokens = pictures.mean((1, 2, 3))[:, None, None].expand(-1, 2, TRANSFORMER.guidance_width)
        return tokens, torch.ones(len(pictures), 2, dtype=torch.bool)

    return GuidanceMix(source=source, drop=drop)


def test_guidance_is_dropped_for_its_share_of_the_samples_and_whole():
    hr = torch.zeros(4000, 3, 1, 1)
    tokens, mask = guided(0.15).tokens(hr, small_config(batch=4000), 3, WHOLE)
    assert tokens.shape == (4000, 2, TRANSFORMER.guidance_width)
    assert torch.equal(mask[:, 0], mask[:, 1])
    assert 0.82 < float(mask.float().mean()) < 0.88


def test_guidance_reaches_the_transformer_and_all_dropped_is_none(pool):
    def loss(guidance):
        stage = FlowStage(small_config(), small_transformer(), small_autoencoder(), pool, TimestepDensity(), guidance)
        return float(stage.loss(4)[0].detach())

    assert loss(guided(1.0)) == pytest.approx(loss(None), rel=1e-5)
    assert abs(loss(guided(0.0)) - loss(None)) > 1e-5
