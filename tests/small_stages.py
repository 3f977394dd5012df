"""Every stage on small networks and synthetic pairs, always from the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from small_models import DENOISER, photo, seeded, small_autoencoder, small_denoiser, small_experts, small_transformer

from linearsr.data.loader import PairPool
from linearsr.data.noise_mixes import denoising_mix, judging_mix, metering_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.data.sampling import PairSource
from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.denoiser import Denoiser
from linearsr.training.cleaning import CleanAnswerStage, CleanedStage, CleaningPool
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
    *("denoise", "meter", "polish-denoiser", "judge", "clean-answer", "cleaned"),
)
EVERY_STEP_ANEW = NAMES[:-3]
"""Those that draw pairs for every step; the pictures of the last three are made before their first."""
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
    builders: dict[str, Callable[[], Stage]] = {
        "base": lambda: BaseStage(config, _autoencoder(), pool, loss),
        "autoencoder": lambda: AutoencoderStage(config, _autoencoder(), pool, loss, LatentMix(intact=0.4, noised=0.3)),
        "flow": lambda: FlowStage(config, small_transformer(), _autoencoder(), pool, TimestepDensity()),
        "expert": lambda: FlowStage(
            config, small_transformer(), _autoencoder(), pool, TimestepDensity(low=0.223, high=0.875)
        ),
        "polish": lambda: PolishStage(config, _autoencoder(), small_experts(), pool, loss),
        "decoder": lambda: DecoderStage(config, _autoencoder(), small_experts(), pool, loss),
        "distill": lambda: DistillStage(config, small_experts(), pool),
        "denoise": lambda: DenoiseStage(config, small_denoiser(), NoisyPairs(pool, denoising_mix())),
        "meter": lambda: MeterStage(config, small_denoiser().meter, NoisyPairs(pool, metering_mix())),
        "polish-denoiser": lambda: PolishDenoiserStage(
            config, small_denoiser(), _autoencoder(), small_experts(), pool, denoising_mix(), loss
        ),
        "judge": lambda: _judge_stage(config, pool),
        "clean-answer": lambda: CleanAnswerStage(config, cleaning_denoiser(), _cleaning_pool(pool)),
        "cleaned": lambda: CleanedStage(
            config, cleaning_denoiser(), small_denoiser(), _autoencoder(), small_experts(), _cleaning_pool(pool), loss
        ),
    }
    return builders[name]()


def _judge_stage(config: StageConfig, pool: PairSource) -> JudgeStage:
    denoiser, pairs = small_denoiser(), NoisyPairs(pool, judging_mix())
    return JudgeStage(config, denoiser.judge, CellPool.of(pairs, denoiser, count=16, lr_side=16, seed=0))


def cleaning_denoiser() -> Denoiser:
    """The small denoiser, which is to have a clean answer."""
    denoiser = Denoiser(replace(DENOISER, cleans=True))
    denoiser.load_state_dict(small_denoiser().state_dict())
    return denoiser


def _cleaning_pool(pool: PairSource) -> CleaningPool:
    return CleaningPool.of(pool, small_denoiser(), count=8, lr_side=24, seed=0)


def _autoencoder() -> Autoencoder:
    autoencoder: Autoencoder = small_autoencoder().to(memory_format=torch.channels_last)
    return autoencoder
