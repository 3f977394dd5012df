"""Who else holds a part of the same image: nobody, or the other processes of a group, each with a band of its rows.

Linear attention makes this cheap: of all the tokens elsewhere a process needs one summary per layer, a matrix whose
size does not depend on theirs, and for the convolutions the row above and the row below its own band.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class Peers(Protocol):
    """What a band of rows needs to know of the bands around it."""

    def band(self, rows: int) -> tuple[int, int]:
        """First row of this process's band of ``rows``, and the row after its last."""
        ...

    def add_up(self, summary: Tensor) -> Tensor:
        """Return the sum of all processes' summaries."""
        ...

    def borders(self, top: Tensor, bottom: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Give away the own first and last row; return the row above and the row below, None at the image's edge."""
        ...

    def join(self, band: Tensor) -> Tensor:
        """Return all bands (B, C, rows, W) below each other, on every process."""
        ...

    def collect(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the (rows, W, bytes) uint8 parts of all bands from top to bottom on rank 0, and nothing elsewhere."""
        ...


class Alone:
    """One process holds the whole image."""

    def band(self, rows: int) -> tuple[int, int]:
        return 0, rows

    def add_up(self, summary: Tensor) -> Tensor:
        return summary

    def borders(self, top: Tensor, bottom: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return None, None

    def join(self, band: Tensor) -> Tensor:
        return band

    def collect(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        return iter(parts)


class Group:
    """The processes of a torch.distributed group, each with its device: rank 0 holds the top of the image."""

    def __init__(self, device: torch.device | str = "cpu", group: dist.ProcessGroup | None = None) -> None:
        self._device, self._group = torch.device(device), group
        self.rank, self.count = dist.get_rank(group), dist.get_world_size(group)

    def band(self, rows: int) -> tuple[int, int]:
        if rows < self.count:
            raise ValueError(f"an image of {rows} latent rows cannot be shared by {self.count} processes")
        return rows * self.rank // self.count, rows * (self.rank + 1) // self.count

    def add_up(self, summary: Tensor) -> Tensor:
        total = summary.clone()
        dist.all_reduce(total, group=self._group)
        return total

    def borders(self, top: Tensor, bottom: Tensor) -> tuple[Tensor | None, Tensor | None]:
        # One gather instead of pairs of sends: rows are small, and every backend and every order of ranks is served.
        pair = torch.stack((top, bottom)).contiguous()
        pairs = [torch.empty_like(pair) for _ in range(self.count)]
        dist.all_gather(pairs, pair, group=self._group)
        above = pairs[self.rank - 1][1] if self.rank else None
        below = pairs[self.rank + 1][0] if self.rank + 1 < self.count else None
        return above, below

    def join(self, band: Tensor) -> Tensor:
        heights = [torch.zeros(1, dtype=torch.int64, device=band.device) for _ in range(self.count)]
        dist.all_gather(heights, torch.tensor([band.shape[2]], device=band.device), group=self._group)
        tallest = max(int(height) for height in heights)
        padded = band.new_zeros((*band.shape[:2], tallest, band.shape[3]))
        padded[:, :, : band.shape[2]] = band
        bands = [torch.empty_like(padded) for _ in range(self.count)]
        dist.all_gather(bands, padded, group=self._group)
        return torch.cat([part[:, :, : int(height)] for part, height in zip(bands, heights, strict=True)], 2)

    def collect(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        if self.rank == 0:
            yield from parts
            for rank in range(1, self.count):
                yield from self._receive(rank)
            return
        # Kept until rank 0 asks: a process that waited with its first part would never compute its second.
        for part in list(parts):
            self._send(part)
        self._send(None)

    def _send(self, part: Tensor | None) -> None:
        shape = [0, 0, 0] if part is None else list(part.shape)
        dist.send(torch.tensor(shape, device=self._device), 0, self._group)
        if part is not None:
            dist.send(part.contiguous().to(self._device), 0, self._group)

    def _receive(self, rank: int) -> Iterator[Tensor]:
        header = torch.zeros(3, dtype=torch.int64, device=self._device)
        while True:
            dist.recv(header, rank, self._group)
            if not header[0]:
                return
            payload = torch.empty(header.tolist(), dtype=torch.uint8, device=self._device)
            dist.recv(payload, rank, self._group)
            yield payload.cpu()
