"""Synthetic degradation: turns HR photos into plausible LR ones, B at a time, on the device they are on.

    x -> blur -> resize -> noise, grain, sensor noise -> JPEG                one stage, done once or twice
      -> resize to 1/4 with a sinc filter and JPEG, in either order          second-order processes
      -> resize to 1/4                                                       others

A result is a function of (photo, preset, seed): every parameter and every noise field is drawn for its sample alone.
On a CPU a sample is computed alone, too. Elsewhere a batch is computed together, which may change the rounding of its
sums and so, rarely, a grey level. Reference: Wang et al., 2021 (arXiv:2107.10833), section 3.

Shapes: (B, 3, H, W), RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.canvas import Canvas
from linearsr.data.draws import Draws, derive_seed
from linearsr.data.jpeg import jpeg_roundtrip
from linearsr.data.kernels import blur_kernels, final_sinc_kernels
from linearsr.data.noise import add_grain, add_noise, add_sensor_noise
from linearsr.data.presets import Degradation, DegradationStage

RESIZE_MODES = ("area", "bilinear", "bicubic")
Size = tuple[int, int]


def degrade(images: Tensor, preset: Degradation, seeds: Sequence[int], *, together: int | None = None) -> Tensor:
    """Return the LR images of ``images``.

    Args:
        images: (B, 3, H, W) in [0, 1]; H and W are multiples of ``preset.scale``.
        preset: the process, for example :func:`~linearsr.data.presets.real_esrgan`.
        seeds: one for each image.
        together: images computed by the same calls; by default 1 on a CPU, where more is slower, and all elsewhere.

    Returns:
        (B, 3, H/scale, W/scale) in [0, 1], rounded to 8-bit levels.
    """
    step = together or (1 if images.device.type == "cpu" else len(images))
    starts = range(0, len(images), step)
    return torch.cat([_degrade(images[i : i + step], preset, seeds[i : i + step]) for i in starts])


def _degrade(images: Tensor, preset: Degradation, seeds: Sequence[int]) -> Tensor:
    draws = Draws(seeds)
    whole = (images.shape[-2], images.shape[-1])
    final = (whole[0] // preset.scale, whole[1] // preset.scale)
    canvas = Canvas.of(list(images))
    for number, (stage, base) in enumerate(((preset.first, whole), (preset.second, final))):
        if stage is not None:
            canvas = canvas.filtered(blur_kernels(draws, stage))
            canvas = _random_resize(canvas, stage, base, preset.antialias, draws)
            canvas = add_noise(canvas, stage, draws, _generators(f"noise {number}", seeds, images.device))
            canvas = add_grain(canvas, stage, draws, _generators(f"grain {number}", seeds, images.device))
            canvas = _add_sensor_noise(canvas, stage, f"sensor {number}", seeds)
            # The second JPEG belongs to the end: it may come after the sinc filter.
            if stage is preset.first:
                canvas = _code(canvas, draws.uniform(stage.jpeg_quality), draws.chance(stage.jpeg_probability))
    finished = _finish(canvas, preset, final, draws).pixels
    return (finished.clamp(0, 1) * 255).round() / 255


def _add_sensor_noise(canvas: Canvas, stage: DegradationStage, purpose: str, seeds: Sequence[int]) -> Canvas:
    # By draws of its own: presets without it keep theirs.
    draws = Draws([derive_seed(seed, purpose) for seed in seeds])
    return add_sensor_noise(canvas, stage, draws, _generators(f"{purpose} field", seeds, canvas.pixels.device))


def _generators(purpose: str, seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    # Anew for each purpose: whether fields are drawn for an earlier one depends on the company of a picture.
    return [torch.Generator(device).manual_seed(derive_seed(seed, purpose)) for seed in seeds]


def _random_resize(canvas: Canvas, stage: DegradationStage, base: Size, antialias: bool, draws: Draws) -> Canvas:
    """Enlarge, shrink or keep each picture, relative to ``base``."""
    low, high = stage.resize_range
    directions = draws.pick(stage.resize_probabilities)
    factors = torch.stack((draws.uniform((1, high)), draws.uniform((low, 1)), torch.ones(len(directions))))
    chosen = factors.gather(0, directions[None])[0].tolist()
    sizes = [(max(1, round(base[0] * factor)), max(1, round(base[1] * factor))) for factor in chosen]
    return _resize(canvas, sizes, draws, antialias)


def _finish(canvas: Canvas, preset: Degradation, size: Size, draws: Draws) -> Canvas:
    sizes = [size] * len(canvas.sizes)
    if preset.second is None:
        return _resize(canvas, sizes, draws, preset.antialias)
    quality, jpeg_first = draws.uniform(preset.second.jpeg_quality), draws.chance(0.5)
    coded = draws.chance(preset.second.jpeg_probability)
    canvas = _code(canvas, quality, jpeg_first & coded)
    canvas = _resize(canvas, sizes, draws, preset.antialias)
    canvas = canvas.filtered(final_sinc_kernels(draws, preset.final_sinc_probability))
    return _code(canvas, quality, ~jpeg_first & coded)


def _resize(canvas: Canvas, sizes: Sequence[Size], draws: Draws, antialias: bool) -> Canvas:
    modes = draws.pick((1,) * len(RESIZE_MODES)).tolist()
    pictures = zip(canvas.pictures(), sizes, modes, strict=True)
    return Canvas.of([_resized(picture, size, RESIZE_MODES[mode], antialias) for picture, size, mode in pictures])


def _resized(picture: Tensor, size: Size, mode: str, antialias: bool) -> Tensor:
    if picture.shape[-2:] == size:
        return picture
    if mode == "area":
        return F.interpolate(picture[None], size, mode="area")[0]
    smooth = antialias and size[0] < picture.shape[-2]
    return F.interpolate(picture[None], size, mode=mode, antialias=smooth)[0].clamp(0, 1)


def _code(canvas: Canvas, quality: Tensor, applies: Tensor) -> Canvas:
    """JPEG, for the pictures where ``applies`` (B,) is true."""
    if not bool(applies.any()):
        return canvas
    chosen = applies.to(canvas.pixels.device, non_blocking=True)[:, None, None, None]
    return Canvas(torch.where(chosen, jpeg_roundtrip(canvas, quality).pixels, canvas.pixels), canvas.sizes)
