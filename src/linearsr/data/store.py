"""Decoded photos in bounded memory, decoded ahead of their use by threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from linearsr.data.photo import PhotoFile
from linearsr.errors import ConfigError

GIGABYTE = 10**9


class PhotoStore:
    """Photos by number, as (3, H, W) uint8 tensors on ``device``.

    While all of them fit into ``budget`` bytes, each is decoded once. If they do not, those unused for longest are
    dropped, and :meth:`prefetch` lets threads decode what is needed soon (the decoder runs outside Python's lock).
    Used by one thread.
    """

    def __init__(
        self, files: Sequence[PhotoFile], *, budget: int = 4 * GIGABYTE, threads: int = 4, device: str = "cpu"
    ) -> None:
        if budget < 1 or threads < 1:
            raise ConfigError(f"budget {budget} and threads {threads} must be at least 1", remedy="raise them")
        self.files, self._budget, self._device = files, budget, device
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="photos")
        self._pending: dict[int, Future[Tensor]] = {}
        self._kept: OrderedDict[int, Tensor] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.files)

    def prefetch(self, indices: Iterable[int]) -> None:
        """Start decoding the photos of these numbers, as far as they are not here."""
        for index in indices:
            if index not in self._kept and index not in self._pending:
                self._pending[index] = self._pool.submit(self._decode, index)

    def get(self, index: int) -> Tensor:
        """Return a photo; waits until it is decoded.

        Raises:
            ImageError, DataError: if it cannot be read.
        """
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        self.prefetch([index])
        photo = self._pending.pop(index).result().to(self._device)
        self._kept[index] = photo
        self._bytes += photo.nbytes
        while self._bytes > self._budget and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return photo

    def _decode(self, index: int) -> Tensor:
        return torch.from_numpy(self.files[index].decode().pixels).permute(2, 0, 1).contiguous()
