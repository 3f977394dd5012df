"""Noise of sensors and of film: Gaussian, Poisson, of linear light, and grain that is correlated between neighbours.

    Gaussian  x + sigma z                                     z a standard normal field
    Poisson   x + s (n / 256 - x),  n ~ Poisson(256 x)        256 counts at white
    grain     x + sigma (k * z)                               k a Gaussian kernel with sum k^2 = 1; mostly gray
    sensor    (x^g + s sqrt((1 - r) x^g / m^g + r) z)^(1/g)   g = 2.2, m = 1/2; s gives x = m the deviation sigma

A field is drawn for every picture by its own generator on its own device. Shapes: (B, 3, H, W), RGB in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from linearsr.data.canvas import Canvas
from linearsr.data.draws import Draws
from linearsr.data.kernels import gaussian_kernels
from linearsr.data.presets import DegradationStage

WHITE_COUNT = 256
GRAIN_IN_COMMON = 0.8
"""Share of the grain's variance that all channels have in common."""
GAMMA, MID_GREY = 2.2, 0.5
_LUMA = (0.299, 0.587, 0.114)


def add_noise(canvas: Canvas, stage: DegradationStage, draws: Draws, generators: Sequence[torch.Generator]) -> Canvas:
    """Add Gaussian or Poisson noise to the pictures that the stage's probability chooses."""
    applies, gray = draws.chance(stage.noise_probability), draws.chance(stage.gray_noise_probability)
    gaussian = draws.chance(stage.gaussian_probability)
    sigma, scale = draws.uniform(stage.gaussian_sigma) / 255, draws.uniform(stage.poisson_scale)
    if not bool(applies.any()):
        return canvas
    x = canvas.pixels.clamp(0, 1)
    z = _normal_fields(canvas, [1 if alike else 3 for alike in gray.tolist()], generators)
    luma = torch.einsum("c,bchw->bhw", torch.tensor(_LUMA).to(x), x)[:, None]
    signal = torch.where(_wide(gray, x), luma, x)
    shot = poisson_counts(WHITE_COUNT * signal, z) / WHITE_COUNT - signal
    noise = torch.where(_wide(gaussian, x), z * _wide(sigma, x), shot * _wide(scale, x))
    return Canvas(torch.where(_wide(applies, x), (x + noise).clamp(0, 1), canvas.pixels), canvas.sizes)


def add_grain(canvas: Canvas, stage: DegradationStage, draws: Draws, generators: Sequence[torch.Generator]) -> Canvas:
    """Add grain to the pictures that the stage's probability chooses."""
    applies = draws.chance(stage.grain_probability)
    sigma, size = draws.uniform(stage.grain_sigma) / 255, draws.uniform(stage.grain_size)
    if not bool(applies.any()):
        return canvas
    kernels = gaussian_kernels(size)
    kernels = kernels / kernels.square().sum((1, 2), keepdim=True).sqrt()
    x = canvas.pixels.clamp(0, 1)
    fields = Canvas(_normal_fields(canvas, [4] * len(applies), generators), canvas.sizes).filtered(kernels).pixels
    grain = math.sqrt(GRAIN_IN_COMMON) * fields[:, :1] + math.sqrt(1 - GRAIN_IN_COMMON) * fields[:, 1:]
    return Canvas(
        torch.where(_wide(applies, x), (x + grain * _wide(sigma, x)).clamp(0, 1), canvas.pixels), canvas.sizes
    )


def add_sensor_noise(
    canvas: Canvas, stage: DegradationStage, draws: Draws, generators: Sequence[torch.Generator]
) -> Canvas:
    """Add the noise of linear light, strongest in the dark, to the pictures that the stage's probability chooses."""
    applies = draws.chance(stage.sensor_probability)
    sigma, read_share = draws.uniform(stage.sensor_sigma) / 255, draws.uniform(stage.sensor_read_share)
    if not bool(applies.any()):
        return canvas
    x = canvas.pixels.clamp(0, 1)
    z = _normal_fields(canvas, [3] * len(applies), generators)
    middle = MID_GREY**GAMMA
    light, read = x**GAMMA, _wide(read_share, x)
    slope = GAMMA * middle / MID_GREY
    noise = _wide(sigma * slope, x) * ((1 - read) * light / middle + read).sqrt() * z
    noisy = (light + noise).clamp(0, 1) ** (1 / GAMMA)
    return Canvas(torch.where(_wide(applies, x), noisy, canvas.pixels), canvas.sizes)


def poisson_counts(mean: Tensor, z: Tensor) -> Tensor:
    """Turn standard normal ``z`` into counts with (nearly) the mean, variance and skew of a Poisson distribution.

    The first terms of the Cornish-Fisher expansion: about ten times faster on a CPU than drawing counts one by one.
    """
    return (mean + mean.sqrt() * z + (z.square() - 1) / 6).round().clamp(min=0)


def _normal_fields(canvas: Canvas, channels: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Standard normal fields of a picture each, (B, C, H, W); one channel is repeated to the most that any has."""
    fields = [
        torch.randn(count, *size, generator=generator, device=generator.device)
        for count, size, generator in zip(channels, canvas.sizes, generators, strict=True)
    ]
    most = max(channels)
    return Canvas.of([field.expand(most, -1, -1) for field in fields]).pixels.to(canvas.pixels)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1) on the device of ``like``."""
    return values.to(like.device, non_blocking=True)[:, None, None, None]
