"""Which photo, which part of it and which way round: what is random about one sample of one training step.

Sample ``slot`` of step ``step`` is a pure function of (seed, step, slot). Rank r of w takes the slots
r size/w ... (r + 1) size/w - 1, so that the ranks' batches in order are the batch of one process.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from linearsr.data.draws import derive_seed
from linearsr.errors import ConfigError

SCALE = 4
LATENT_STRIDE = 32
"""HR pixels per latent cell."""
LARGEST_PIXEL = 1.001
"""Pixels are in [-1, 1]; what lies beyond, but for rounding, is no picture."""


class PairSource(Protocol):
    """Where training gets its pairs."""

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return this rank's share of the ``size`` pairs of a step as (lr, hr), float in [-1, 1].

        lr is (size / world, 3, lr_side, lr_side) and hr is four times as wide and high.

        Raises:
            ConfigError: if ``size`` cannot be split among ``world`` ranks.
            DataError: if a photo is smaller than the crop.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Numbers in [0, 1), each for one choice, and a seed for what comes after."""

    photo: float
    variant: float
    top: float
    left: float
    turn: float
    mirror: float
    seed: int

    @classmethod
    def at(cls, seed: int, step: int, slot: int) -> Sample:
        """Draw what is random about a slot of a step."""
        own = derive_seed(seed, step, slot)
        numbers = torch.rand(6, generator=torch.Generator().manual_seed(own), dtype=torch.float64).tolist()
        names = ("photo", "variant", "top", "left", "turn", "mirror")
        return cls(seed=own, **dict(zip(names, numbers, strict=True)))

    def oriented(self, image: Tensor) -> Tensor:
        """Turn and mirror a (..., side, side) image in one of eight ways."""
        turned = torch.rot90(image, choose(self.turn, 4), (-2, -1))
        return turned.flip(-1) if self.mirror < 0.5 else turned


class ChangedPairs(ABC):
    """Pairs of another source after a change. What is random about it is drawn for each sample by its own seed."""

    def __init__(self, source: PairSource) -> None:
        self._source = source

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return what the source returns, changed, as :class:`PairSource` says."""
        lr, hr = self._source.batch(step, seed=seed, size=size, lr_side=lr_side, rank=rank, world=world)
        return self.changed(lr, hr, own_samples(step, seed=seed, size=size, rank=rank, world=world))

    @abstractmethod
    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        """Return pairs in the place of (B, 3, h, w) and (B, 3, 4h, 4w), which are not to be written to."""
        ...


class RecalledPairs:
    """Pairs of another source for those who need them twice: asked for the same again, it does not make them anew."""

    def __init__(self, source: PairSource) -> None:
        self._source = source
        self._last: tuple[tuple[int, ...], tuple[Tensor, Tensor]] | None = None

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return what the source returns, not to be written to, as :class:`PairSource` says."""
        request = (step, seed, size, lr_side, rank, world)
        if self._last is None or self._last[0] != request:
            pairs = self._source.batch(step, seed=seed, size=size, lr_side=lr_side, rank=rank, world=world)
            self._last = request, pairs
        return self._last[1]


def own_slots(size: int, rank: int, world: int) -> range:
    """Return the slots of a batch that belong to a rank."""
    if size < 1 or size % world:
        raise ConfigError(f"a batch of {size} cannot be split among {world} ranks", remedy="use a multiple")
    share = size // world
    return range(rank * share, (rank + 1) * share)


def own_samples(step: int, *, seed: int, size: int, rank: int, world: int) -> list[Sample]:
    """Return what is random about this rank's share of a step."""
    return [Sample.at(seed, step, slot) for slot in own_slots(size, rank, world)]


def choose(number: float, count: int) -> int:
    """Turn a number in [0, 1) into an index below ``count``."""
    return int(number * count)


def spoiled_as_nan(images: Tensor) -> Tensor:
    """Return images with NaN for what is no pixel.

    Networks that normalise hardly notice a batch a hundred times too bright, and neither does the spike guard. As NaN
    it keeps the step from the weights, and every rank still comes to the backward pass, where ranks meet.
    """
    return images.masked_fill(images.abs() > LARGEST_PIXEL, math.nan)
