"""Models of a few thousand random parameters, and pictures, for tests that need no trained weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig
from linearsr.models.denoiser import Denoiser, DenoiserConfig
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.transformer import GuidanceKind, LinearTransformer, TransformerConfig
from linearsr.pipeline import SRPipeline

T = TypeVar("T")
ModuleT = TypeVar("ModuleT", bound=nn.Module)

AUTOENCODER = AutoencoderConfig(latent_channels=4, widths=(6, 6, 8, 8), depth=1, tail_width=4)
TRANSFORMER = TransformerConfig(
    latent_channels=4, lr_channels=6, width=16, depth=2, heads=2, mlp_ratio=2.0, guidance_width=8
)
DENOISER = DenoiserConfig(widths=(4, 6, 8), depth=1, meter_width=4, judge_width=4)
_ALEXNET = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))
_VGG_WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def small_autoencoder(seed: int = 0) -> Autoencoder:
    return seeded(seed, lambda: Autoencoder(AUTOENCODER))


def small_transformer(seed: int = 0) -> LinearTransformer:
    return seeded(seed, lambda: awake(LinearTransformer(TRANSFORMER)))


def small_experts(seed: int = 0, config: TransformerConfig = TRANSFORMER) -> ExpertTransformer:
    return seeded(seed, lambda: awake(ExpertTransformer(ExpertsConfig(), config)))


def small_denoiser(seed: int = 0) -> Denoiser:
    """A denoiser that finds a noise of about 10 levels in everything."""
    denoiser = seeded(seed, lambda: Denoiser(DENOISER))
    for looks in (denoiser.meter.cells, denoiser.judge.among_all):
        nn.init.constant_(looks[-1].bias, math.log(10))
    return denoiser


def changing_denoiser(change: float) -> Denoiser:
    """A denoiser that finds a strength of 10 levels and changes every pixel by ``change`` of them."""
    denoiser = small_denoiser()
    for looks in (denoiser.meter, denoiser.judge):
        looks.forward = lambda pictures: torch.full((len(pictures),), math.log(10))
    denoiser.forward = lambda lr, strength: lr + change / 127.5
    return denoiser


def small_pipeline(
    seed: int = 0, *, guidance: GuidanceKind = "none", guidance_width: int = 8, denoiser: Denoiser | None = None
) -> SRPipeline:
    config = replace(TRANSFORMER, guidance=guidance, guidance_width=guidance_width)
    return SRPipeline(small_autoencoder(seed), small_experts(seed, config), denoiser=denoiser, name="small")


def awake(module: ModuleT) -> ModuleT:
    """Give zero-initialised output layers random values, so that outputs depend on inputs and gradients reach all."""
    for parameter in module.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return module


def seeded(seed: int, build: Callable[[], T]) -> T:
    """Run ``build`` with the global generator seeded, and leave that generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth, textured RGB picture, (height, width, 3) uint8."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / noise.uniform(4, 30) + noise.uniform(0, 6)) * np.cos(y / noise.uniform(4, 30)) for _ in "rgb"]
    texture = noise.normal(0, 8, (height, width, 1))
    return np.clip(128 + 70 * np.stack(waves, -1) + texture, 0, 255).astype(np.uint8)


def alexnet_weights() -> dict[str, Tensor]:
    """Random weights in the shapes of LPIPS on AlexNet."""
    weights = {}
    for index, (after, before, size) in enumerate(_ALEXNET):
        weights |= _convolution(index, after, before, size) | {f"lin{index}": torch.rand(after)}
    return weights


def vgg_weights() -> dict[str, Tensor]:
    """Random weights in the shapes of LPIPS on VGG16, whose convolutions DISTS shares."""
    weights = {}
    for index in range(13):
        weights |= _convolution(index, _VGG_WIDTHS[index + 1], _VGG_WIDTHS[index], 3)
    return weights | {f"lin{level}": torch.rand(width) for level, width in enumerate((64, 128, 256, 512, 512))}


def dists_heads() -> dict[str, Tensor]:
    return {name: torch.rand(1, 1475, 1, 1) for name in ("alpha", "beta")}


def niqe_weights() -> dict[str, Tensor]:
    """Made-up statistics of pristine photos, in the shapes of the real ones."""
    return {"mean": torch.rand(36, dtype=torch.float64), "covariance": torch.eye(36, dtype=torch.float64)}


def brisque_weights() -> dict[str, Tensor]:
    """A random support vector regression, in the shapes of the real one."""
    ranges = torch.tensor([[-1.0], [4.0]], dtype=torch.float64).expand(2, 36).contiguous()
    return {
        "vectors": torch.rand(20, 36, dtype=torch.float64) * 2 - 1,
        "coefficients": torch.randn(20, dtype=torch.float64) * 100,
        "ranges": ranges,
        "gamma": torch.tensor(0.05, dtype=torch.float64),
        "bias": torch.tensor(-30.0, dtype=torch.float64),
    }


def _convolution(index: int, after: int, before: int, size: int) -> dict[str, Tensor]:
    gain = math.sqrt(2 / (before * size**2))
    return {
        f"conv{index}.weight": torch.randn(after, before, size, size) * gain,
        f"conv{index}.bias": torch.zeros(after),
    }
