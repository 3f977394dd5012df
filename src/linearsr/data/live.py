"""LR/HR pairs degraded as they are needed, on the device that trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from linearsr.data.loader import degrade_mixed
from linearsr.data.presets import DegradationMix, training_mix
from linearsr.data.sampling import SCALE, PairSource, Sample, choose, own_slots
from linearsr.data.store import PhotoStore
from linearsr.errors import ConfigError, DataError

STEPS_AHEAD = 2
MEAN_TEXTURE = 12.0
"""Stands for the texture of photos that have no score."""


class LivePairs:
    """Random crops of the photos in a store, each degraded anew: a :class:`~linearsr.data.sampling.PairSource`.

    Args:
        store: the photos.
        device: where to degrade, and where the pairs are.
        mix: presets and their shares.
        repeats: steps in a row for which a slot of the batch stays with one photo (with other crops). With more than
            one, fewer photos are decoded a step: for sets that do not fit into the store.
        texture_power: photos are drawn in proportion to their texture to this power; 0 treats all alike.
    """

    def __init__(
        self,
        store: PhotoStore,
        *,
        device: str = "cpu",
        mix: DegradationMix | None = None,
        repeats: int = 1,
        texture_power: float = 0.0,
    ) -> None:
        if repeats < 1:
            raise ConfigError(f"repeats must be at least 1, not {repeats}", remedy="1 draws a new photo every step")
        self._store, self._device, self._repeats = store, torch.device(device), repeats
        self._mix = training_mix() if mix is None else tuple(mix)
        textures = [MEAN_TEXTURE if file.texture is None else file.texture for file in store.files]
        weights = torch.tensor(textures, dtype=torch.float64).clamp(min=1) ** texture_power
        self._edges = weights.cumsum(0) / weights.sum()

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return random crops and their degraded versions, as :class:`~linearsr.data.sampling.PairSource` says."""
        slots = own_slots(size, rank, world)
        samples = [Sample.at(seed, step, slot) for slot in slots]
        photos = [self._photo(seed, step, slot) for slot in slots]
        crops = [self._crop(photo, sample, lr_side * SCALE) for photo, sample in zip(photos, samples, strict=True)]
        ahead = range(step + 1, step + 1 + STEPS_AHEAD)
        self._store.prefetch(self._photo(seed, later, slot) for later in ahead for slot in slots)
        hr = self._to_device(torch.stack(crops)).float() / 255
        lr = degrade_mixed(hr, self._mix, [sample.seed for sample in samples])
        return lr * 2 - 1, hr * 2 - 1

    def _photo(self, seed: int, step: int, slot: int) -> int:
        # Slots change their photo at different steps, so that decoding is spread evenly.
        number = Sample.at(seed, (step + slot) // self._repeats, slot).photo
        return min(int(torch.searchsorted(self._edges, number, right=True)), len(self._store) - 1)

    def _crop(self, photo: int, sample: Sample, side: int) -> Tensor:
        pixels = self._store.get(photo)
        if min(pixels.shape[-2:]) < side:
            raise DataError(
                f"photo {self._store.files[photo].key} has only {min(pixels.shape[-2:])} of a crop's {side} pixels",
                remedy="leave small photos out, or lower lr_side",
            )
        top, left = (
            choose(number, length - side + 1)
            for number, length in zip((sample.top, sample.left), pixels.shape[-2:], strict=True)
        )
        return sample.oriented(pixels[:, top : top + side, left : left + side])

    def _to_device(self, pixels: Tensor) -> Tensor:
        if self._device.type == "cuda" and pixels.device.type == "cpu":
            pixels = pixels.pin_memory()  # copied while the GPU computes
        return pixels.to(self._device, non_blocking=True)


class Ahead:
    """Prepares the next step's pairs in a thread while this step trains. Steps are expected one after another."""

    def __init__(self, source: PairSource) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pairs")
        self._next: tuple[object, Future[tuple[Tensor, Tensor]]] | None = None

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return what the source returns for the step, and start on the next."""

        def start(number: int) -> Future[tuple[Tensor, Tensor]]:
            return self._thread.submit(
                self._source.batch, number, seed=seed, size=size, lr_side=lr_side, rank=rank, world=world
            )

        request = (step, seed, size, lr_side, rank, world)
        current = self._next[1] if self._next is not None and self._next[0] == request else start(step)
        pairs = current.result()
        self._next = (step + 1, *request[1:]), start(step + 1)
        return pairs
