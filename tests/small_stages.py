"""Every stage on small networks and synthetic pairs, always from the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from small_models import photo, seeded, small_autoencoder, small_denoiser, small_experts, small_transformer

from linearsr.data.loader import PairPool
from linearsr.data.noise_mixes import denoising_mix, judging_mix, metering_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.data.sampling import PairSource
from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.autoencoder import Autoencoder
from linearsr.training.config import StageConfig
from linearsr.training.denoiser_polish import PolishDenoiserStage
from linearsr.training.denoising import DenoiseStage, MeterStage
from linearsr.training.judging import CellPool, JudgeStage
from linearsr.training.objective import ImageLoss, ImageLossWeights
from linearsr.training.stages import (
    AutoencoderStage,
    BaseStage,
    DecoderStage,
    DistillStage,
    FlowStage,
    LatentMix,
    PolishStage,
    Stage,
)

NAMES = (
    *("base", "autoencoder", "flow", "expert", "polish", "decoder", "distill"),
    *("denoise", "meter", "polish-denoiser", "judge"),
)
EVERY_STEP_ANEW = NAMES[:-1]
"""Those that draw pairs for every step; the judge's pictures are made before its first."""
LOSS = ImageLossWeights(l1=1.0, lpips=0.2, adversarial=0.05)


def small_config(**changes: Any) -> StageConfig:
    values = {"name": "small", "steps": 10, "batch": 2, "lr_side": 16, "learning_rate": 1e-3, "warmup": 2}
    return StageConfig(**(values | {"save_every": 4} | changes))


def synthetic_pool() -> PairPool:
    """Two pictures, reduced by plain averaging: no degradation that may change takes part."""
    hr = [torch.from_numpy(photo(96, 128, seed)).permute(2, 0, 1).contiguous() for seed in range(2)]
    lr = [F.avg_pool2d(picture[None].float(), 4).round().to(torch.uint8) for picture in hr]
    return PairPool(("a", "b"), tuple(hr), tuple(lr))


def small_stage(
    name: str, pool: PairSource, perceptual: Path, weights: ImageLossWeights = LOSS, **changes: Any
) -> Stage:
    config = small_config(**changes)
    loss = seeded(0, lambda: ImageLoss(weights, perceptual))
    if name == "base":
        return BaseStage(config, _autoencoder(), pool, loss)
    if name == "autoencoder":
        return AutoencoderStage(config, _autoencoder(), pool, loss, LatentMix(intact=0.4, noised=0.3))
    if name == "polish":
        return PolishStage(config, _autoencoder(), small_experts(), pool, loss)
    if name == "decoder":
        return DecoderStage(config, _autoencoder(), small_experts(), pool, loss)
    if name == "denoise":
        return DenoiseStage(config, small_denoiser(), NoisyPairs(pool, denoising_mix()))
    if name == "meter":
        return MeterStage(config, small_denoiser().meter, NoisyPairs(pool, metering_mix()))
    if name == "polish-denoiser":
        networks = small_denoiser(), _autoencoder(), small_experts()
        return PolishDenoiserStage(config, *networks, pool, denoising_mix(), loss)
    if name == "judge":
        denoiser = small_denoiser()
        pairs = NoisyPairs(pool, judging_mix())
        return JudgeStage(config, denoiser.judge, CellPool.of(pairs, denoiser, count=16, lr_side=16, seed=0))
    if name == "distill":
        return DistillStage(config, small_experts(), pool)
    density = TimestepDensity() if name == "flow" else TimestepDensity(low=0.223, high=0.875)
    return FlowStage(config, small_transformer(), _autoencoder(), pool, density)


def _autoencoder() -> Autoencoder:
    autoencoder: Autoencoder = small_autoencoder().to(memory_format=torch.channels_last)
    return autoencoder
