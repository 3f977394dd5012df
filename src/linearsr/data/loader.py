"""A pool of LR/HR pairs, made once and cropped at random ever after.

Degrading is slower than training on a CPU, so every photo is degraded a few times up front; the crops, flips and
rotations drawn from the pool are a pure function of (seed, step). So it is with pairs of a source that takes its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from linearsr.data.degradations import degrade
from linearsr.data.draws import Draws, derive_seed
from linearsr.data.photo import Photo
from linearsr.data.presets import DegradationMix, training_mix
from linearsr.data.sampling import LATENT_STRIDE, SCALE, PairSource, Sample, choose, own_samples
from linearsr.errors import DataError

AT_ONCE = 16
"""Pairs that a pool takes from another source together."""


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

    @classmethod
    def of(cls, source: PairSource, *, count: int, lr_side: int, seed: int) -> PairPool:
        """Take ``count`` pairs of ``lr_side`` LR pixels from another source, in 8-bit levels."""
        hr_images: list[Tensor] = []
        lr_images: list[Tensor] = []
        for step in range(-(-count // AT_ONCE)):
            lr, hr = (_levels(images) for images in source.batch(step, seed=seed, size=AT_ONCE, lr_side=lr_side))
            lr_images += lr[:, None]
            hr_images += hr
        keys = tuple(f"{index:06}" for index in range(count))
        return cls(keys, tuple(hr_images[:count]), tuple(lr_images[:count]))

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return random crops, aligned to the latent grid, as :class:`~linearsr.data.sampling.PairSource` says."""
        samples = own_samples(step, seed=seed, size=size, rank=rank, world=world)
        pairs = [self._crop(lr_side, sample) for sample in samples]
        lr, hr = (torch.stack(images).float() / 127.5 - 1 for images in zip(*pairs, strict=True))
        return lr, hr

    def _crop(self, side: int, sample: Sample) -> tuple[Tensor, Tensor]:
        index = choose(sample.photo, len(self.hr))
        variants, hr = self.lr[index], self.hr[index]
        lr = variants[choose(sample.variant, len(variants))]
        if min(lr.shape[-2:]) < side:
            raise DataError(
                f"photo {self.keys[index]} has only {min(lr.shape[-2:])} of the {side} LR pixels of a crop",
                remedy="leave small photos out, or lower lr_side",
            )
        cell = LATENT_STRIDE // SCALE
        top = choose(sample.top, (lr.shape[-2] - side) // cell + 1) * cell
        left = choose(sample.left, (lr.shape[-1] - side) // cell + 1) * cell
        lr = lr[:, top : top + side, left : left + side]
        hr = hr[:, SCALE * top : SCALE * (top + side), SCALE * left : SCALE * (left + side)]
        return sample.oriented(lr), sample.oriented(hr)


def build_pool(photos: Sequence[Photo], *, variants: int, seed: int) -> PairPool:
    """Degrade every photo ``variants`` times with presets drawn from the training mix."""
    keys, hr_images, lr_images = [], [], []
    for photo in sorted(photos, key=lambda photo: photo.key):  # as load() orders them
        hr = _trim(torch.from_numpy(photo.pixels).permute(2, 0, 1)).contiguous()
        seeds = [derive_seed(seed, photo.key, variant) for variant in range(variants)]
        lr = degrade_mixed((hr[None].float() / 255).expand(variants, -1, -1, -1), training_mix(), seeds)
        keys.append(photo.key)
        hr_images.append(hr)
        lr_images.append((lr * 255).round().to(torch.uint8))
    return PairPool(tuple(keys), tuple(hr_images), tuple(lr_images))


def degrade_mixed(images: Tensor, mix: DegradationMix, seeds: Sequence[int]) -> Tensor:
    """Degrade (B, 3, H, W) images, each with a preset that its seed draws by the shares of ``mix``."""
    chosen = Draws([derive_seed(seed, "preset") for seed in seeds]).pick([share for _, share in mix])
    order, parts = [], []
    for number, (preset, _) in enumerate(mix):
        places = torch.nonzero(chosen == number)[:, 0].tolist()
        if places:
            order += places
            parts.append(degrade(images[places], preset, [seeds[place] for place in places]))
    return torch.cat(parts)[torch.tensor(order).argsort()]


def _levels(images: Tensor) -> Tensor:
    """[-1, 1] -> uint8."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


def _trim(image: Tensor) -> Tensor:
    height, width = (side // LATENT_STRIDE * LATENT_STRIDE for side in image.shape[-2:])
    return image[:, :height, :width]
