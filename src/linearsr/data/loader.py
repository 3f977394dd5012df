"""A pool of LR/HR pairs, degraded once and cropped at random ever after.

Degrading is slower than training on a CPU, so every photo is degraded a few times up front; the crops, flips and
rotations drawn from the pool are a pure function of (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from linearsr.data.degradations import Degradation, camera, degrade, light, real_esrgan
from linearsr.data.photos import Photo
from linearsr.errors import DataError

LATENT_STRIDE = 32
"""HR pixels per latent cell: photos are trimmed and crops aligned to it."""
SCALE = 4


def training_mix() -> tuple[tuple[Degradation, float], ...]:
    """Presets and their share of the pool: half camera-like, the rest web-like and heavily degraded."""
    return ((camera(), 0.5), (light(), 0.25), (real_esrgan(), 0.25))


@dataclass(frozen=True)
class PairPool:
    """LR/HR pairs held in memory as uint8. ``hr[i]`` is (3, H, W); ``lr[i]`` is (V, 3, H/4, W/4) for V variants."""

    keys: tuple[str, ...]
    hr: tuple[Tensor, ...]
    lr: tuple[Tensor, ...]

    def save(self, path: Path) -> None:
        """Write the pool as one safetensors file."""
        tensors = {f"hr/{key}": image for key, image in zip(self.keys, self.hr, strict=True)}
        tensors |= {f"lr/{key}": image for key, image in zip(self.keys, self.lr, strict=True)}
        save_file(tensors, path)

    @classmethod
    def load(cls, *paths: Path) -> PairPool:
        """Read and join pools written by :meth:`save`."""
        tensors = {name: tensor for path in paths for name, tensor in load_file(path).items()}
        keys = tuple(sorted(name[3:] for name in tensors if name.startswith("hr/")))
        return cls(keys, tuple(tensors[f"hr/{k}"] for k in keys), tuple(tensors[f"lr/{k}"] for k in keys))

    def batch(self, step: int, *, seed: int, size: int, lr_side: int) -> tuple[Tensor, Tensor]:
        """Return ``size`` random aligned crops as (lr, hr), float in [-1, 1]: a pure function of (seed, step).

        Raises:
            DataError: if a photo is smaller than the crop.
        """
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        pairs = [self._crop(lr_side, generator) for _ in range(size)]
        lr, hr = (torch.stack(images).float() / 127.5 - 1 for images in zip(*pairs, strict=True))
        return lr, hr

    def _crop(self, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        index = _draw(len(self.hr), generator)
        variants = self.lr[index]
        lr, hr = variants[_draw(variants.shape[0], generator)], self.hr[index]
        if min(lr.shape[-2:]) < side:
            raise DataError(
                f"photo {self.keys[index]} has only {min(lr.shape[-2:])} of the {side} LR pixels of a crop",
                remedy="leave small photos out, or lower lr_side",
            )
        cell = LATENT_STRIDE // SCALE
        top = _draw((lr.shape[-2] - side) // cell + 1, generator) * cell
        left = _draw((lr.shape[-1] - side) // cell + 1, generator) * cell
        lr = lr[:, top : top + side, left : left + side]
        hr = hr[:, SCALE * top : SCALE * (top + side), SCALE * left : SCALE * (left + side)]
        turns, mirrored = _draw(4, generator), _draw(2, generator) == 1
        return _orient(lr, turns, mirrored), _orient(hr, turns, mirrored)


def build_pool(photos: list[Photo], *, variants: int, seed: int) -> PairPool:
    """Degrade every photo ``variants`` times with presets drawn from :func:`training_mix`."""
    presets, weights = zip(*training_mix(), strict=True)
    keys, hr_images, lr_images = [], [], []
    for photo in sorted(photos, key=lambda photo: photo.key):  # as load() orders them
        hr = _trim(torch.from_numpy(photo.pixels).permute(2, 0, 1))
        generator = torch.Generator().manual_seed(int(photo.key[:12], 16) ^ seed)
        choices = torch.multinomial(torch.tensor(weights), variants, replacement=True, generator=generator)
        lr = [degrade(hr[None].float() / 255, presets[choice], generator) for choice in choices.tolist()]
        keys.append(photo.key)
        hr_images.append(hr.contiguous())
        lr_images.append((torch.cat(lr) * 255).round().to(torch.uint8))
    return PairPool(tuple(keys), tuple(hr_images), tuple(lr_images))


def _trim(image: Tensor) -> Tensor:
    height, width = (side // LATENT_STRIDE * LATENT_STRIDE for side in image.shape[-2:])
    return image[:, :height, :width]


def _orient(image: Tensor, turns: int, mirrored: bool) -> Tensor:
    turned = torch.rot90(image, turns, (-2, -1))
    return turned.flip(-1) if mirrored else turned


def _draw(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(0, limit, (1,), generator=generator))
