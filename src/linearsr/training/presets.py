"""Whole recipes as typed configurations: geometry, data, and every stage.

tiny          the embedded model
ci            everything tiny does, on networks of a few hundred thousand parameters: minutes on a CPU, and of no use
sana-600m     the paper's scale, from published SANA weights; which numbers are published: docs/guide/paper-scale.md
sana-1600m    the same on the larger SANA
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from linearsr.models.autoencoder import AutoencoderConfig
from linearsr.models.deep import DeepAutoencoderConfig
from linearsr.models.denoiser import DenoiserConfig
from linearsr.models.experts import BOUNDARIES, ExpertsConfig
from linearsr.models.sana import sana_600m, sana_1600m
from linearsr.models.transformer import TransformerConfig
from linearsr.training.config import StageConfig
from linearsr.training.objective import ImageLossWeights
from linearsr.training.plans import PairPlan, Recipe, ValidationPlan
from linearsr.training.stages import LatentMix

PresetName = Literal["tiny", "ci", "sana-600m", "sana-1600m"]
ExpertsName = Literal["1", "2", "4-snr", "4-uniform"]


def preset(name: PresetName) -> Recipe:
    """Return the recipe of that name."""
    sana = {"sana-600m": sana_600m, "sana-1600m": sana_1600m}
    return from_sana(sana[name]()) if name in sana else {"tiny": tiny, "ci": ci}[name]()


def tiny() -> Recipe:
    """The recipe of the embedded model, which has not been through ``polish_denoiser`` (docs/log.md)."""
    polish = StageConfig(name="polish", steps=2200, batch=4, lr_side=48, learning_rate=2e-4, clip_norm=0.5, seed=4)
    denoise = StageConfig(
        name="denoise",
        steps=8000,
        batch=16,
        lr_side=96,
        learning_rate=5e-4,
        warmup=200,
        final_rate=0.02,
        clip_norm=0.5,
        ema_decay=0.998,
        save_every=500,
        seed=10,
    )
    detail = replace(
        polish,
        name="detail",
        steps=3000,
        batch=8,
        lr_side=40,
        learning_rate=1.5e-4,
        warmup=100,
        final_rate=0.04,
        ema_decay=0.998,
        seed=8,
    )
    polish_loss = ImageLossWeights(l1=3.0, lpips=0.2, grid=4.0, dists=0.3, dists_samples=1, adversarial=0.01)
    detail_loss = replace(polish_loss, l1=2.0, lpips=0.4, dists=0.6, dists_samples=2, adversarial=0.015)
    return Recipe(
        autoencoder_model=AutoencoderConfig(),
        transformer_model=TransformerConfig(),
        variants=3,
        base=StageConfig(
            name="base", steps=1800, batch=8, lr_side=32, learning_rate=5e-4, warmup=100, clip_norm=0.5, seed=1
        ),
        base_loss=ImageLossWeights(l1=1.0, lpips=0.2),
        autoencoder=StageConfig(
            name="autoencoder", steps=700, batch=8, lr_side=32, learning_rate=5e-4, clip_norm=0.5, seed=5
        ),
        autoencoder_loss=ImageLossWeights(l1=1.0, lpips=0.2, texture=0.02),
        latent_mix=LatentMix(intact=0.5, noised=0.4),
        flow=StageConfig(name="flow", steps=700, batch=16, lr_side=64, learning_rate=1e-3, weight_decay=0.01, seed=2),
        expert=StageConfig(
            name="expert", steps=120, batch=16, lr_side=64, learning_rate=3e-4, warmup=20, ema_decay=0.98, seed=3
        ),
        polish=polish,
        polish_loss=polish_loss,
        sft=replace(polish, name="sft", steps=400, learning_rate=5e-5, seed=6),
        sft_share=0.25,
        fidelity=StageConfig(
            name="fidelity", steps=1400, batch=4, lr_side=48, learning_rate=2e-4, clip_norm=0.5, seed=7
        ),
        fidelity_loss=ImageLossWeights(l1=1.0),
        detail=detail,
        detail_loss=detail_loss,
        clean_answer=replace(
            denoise,
            name="clean-answer",
            steps=2400,
            batch=12,
            learning_rate=3e-4,
            warmup=100,
            final_rate=0.03,
            save_every=200,
            seed=15,
        ),
        cleaned=replace(detail, name="cleaned", steps=2700, seed=14),
        cleaned_loss=replace(detail_loss, lpips=0.5),
        distill=StageConfig(
            name="distill", steps=600, batch=16, lr_side=64, learning_rate=3e-4, warmup=20, ema_decay=0.98, seed=9
        ),
        denoiser_model=DenoiserConfig(),
        denoise=denoise,
        meter=replace(
            denoise, name="meter", steps=3000, learning_rate=1e-3, warmup=100, final_rate=0.0, clip_norm=1.0, seed=11
        ),
        judge=StageConfig(
            name="judge",
            steps=9000,
            batch=64,
            lr_side=64,
            learning_rate=3e-3,
            warmup=100,
            final_rate=0.0,
            weight_decay=0.01,
            save_every=1000,
            seed=12,
        ),
        polish_denoiser=replace(
            polish,
            name="polish-denoiser",
            steps=4000,
            batch=8,
            lr_side=40,
            learning_rate=4e-5,
            warmup=100,
            final_rate=0.05,
            save_every=500,
            seed=13,
        ),
        judge_pictures=28_800,
        decoder_pairs=PairPlan(count=6000, lr_side=96),
        validation=ValidationPlan(
            crops=16, lr_side=64, flow_every=35, expert_every=40, polish_every=200, denoise_every=500
        ),
    )


def ci() -> Recipe:
    """The recipe in miniature, to try every command and to test them."""
    stage = StageConfig(
        name="base", steps=60, batch=4, lr_side=16, learning_rate=1e-3, warmup=5, log_every=5, save_every=20, seed=1
    )
    return replace(
        tiny(),
        autoencoder_model=AutoencoderConfig(widths=(16, 16, 24, 32), depth=2, tail_width=8),
        transformer_model=TransformerConfig(lr_channels=24, width=64, depth=4, heads=4, guidance_width=32),
        variants=1,
        base=stage,
        autoencoder=replace(stage, name="autoencoder", steps=40, seed=5),
        flow=replace(stage, name="flow", steps=120, ema_decay=0.9, seed=2),
        expert=replace(stage, name="expert", steps=20, save_every=10, learning_rate=3e-4, ema_decay=0.9, seed=3),
        polish=replace(stage, name="polish", steps=20, batch=2, save_every=10, learning_rate=2e-4, seed=4),
        sft=replace(stage, name="sft", steps=10, batch=2, save_every=5, learning_rate=5e-5, seed=6),
        sft_share=0.5,
        fidelity=replace(stage, name="fidelity", steps=10, batch=2, save_every=5, learning_rate=2e-4, seed=7),
        detail=replace(stage, name="detail", steps=10, batch=2, save_every=5, learning_rate=2e-4, seed=8),
        clean_answer=replace(stage, name="clean-answer", steps=10, batch=2, save_every=5, seed=15),
        cleaned=replace(stage, name="cleaned", steps=10, batch=2, save_every=5, learning_rate=2e-4, seed=14),
        distill=replace(stage, name="distill", steps=20, save_every=10, learning_rate=3e-4, ema_decay=0.9, seed=9),
        denoiser_model=DenoiserConfig(widths=(8, 12, 16), depth=1, meter_width=8, judge_width=8),
        denoise=replace(stage, name="denoise", steps=20, save_every=10, seed=10),
        meter=replace(stage, name="meter", steps=20, save_every=10, seed=11),
        judge=replace(stage, name="judge", steps=20, save_every=10, seed=12),
        polish_denoiser=replace(stage, name="polish-denoiser", steps=10, batch=2, save_every=5, seed=13),
        judge_pictures=32,
        decoder_pairs=PairPlan(count=16, lr_side=16),
        validation=ValidationPlan(crops=2, lr_side=16, flow_every=5, expert_every=5, polish_every=5, denoise_every=5),
    )


def from_sana(transformer: TransformerConfig) -> Recipe:
    """The paper's stages on a published SANA and its autoencoder, which stays as it is: 256 LR pixels to 1024."""
    flow = StageConfig(
        name="flow",
        steps=96_000,
        batch=192,
        lr_side=256,
        learning_rate=1e-4,
        warmup=2000,
        final_rate=1.0,
        clip_norm=0.1,
        ema_decay=0.9999,
        optimizer="came",
        save_every=1000,
        seed=2,
    )
    expert = replace(flow, name="expert", steps=20_000, learning_rate=2e-5, warmup=500, seed=3)
    images = replace(expert, name="polish", steps=10_000, batch=24, learning_rate=1e-5, seed=4)
    return replace(
        tiny(),
        autoencoder_model=DeepAutoencoderConfig(),
        transformer_model=transformer,
        flow=flow,
        expert=expert,
        polish=images,
        sft=replace(images, name="sft", steps=5000, learning_rate=5e-6, seed=6),
        distill=replace(expert, name="distill", seed=9),
        guidance_drop=0.1,
        validation=ValidationPlan(
            crops=32, lr_side=256, flow_every=4000, expert_every=1000, polish_every=500, denoise_every=500
        ),
    )


def expert_split(name: ExpertsName) -> ExpertsConfig:
    """Return the intervals of the ablation: one expert, two at the anchor, four by SNR, four of equal length."""
    boundaries = {"1": (), "2": BOUNDARIES[1:2], "4-snr": BOUNDARIES, "4-uniform": (0.75, 0.5, 0.25)}
    return ExpertsConfig(boundaries=boundaries[name])
