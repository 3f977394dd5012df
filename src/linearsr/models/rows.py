"""Convolutional networks fed a few rows at a time, with the exact result of feeding them the whole image.

    push(x[a:b]) -> the output rows that are complete by now; the last push returns the rest

Every convolution keeps the input rows that its next output rows still need and nothing else, so a network of any
depth costs no recomputation and its memory does not grow with the height of the image. Legend: x (1, C, rows, W).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ReadRows = Callable[[int, int], Tensor]
"""Returns rows a to b of the LR image as (1, 3, b - a, 8W) float32 in [-1, 1], on the device of the model."""


class RowStream(Protocol):
    """Takes consecutive rows and returns consecutive rows."""

    def push(self, x: Tensor | None, *, last: bool) -> Tensor | None:
        """Take the next rows, (1, C, rows, W), and return what became complete; None stands for no rows."""
        ...


def row_stream(module: nn.Module) -> RowStream:
    """Return a stream that computes what ``module`` computes.

    Raises:
        TypeError: if the module is not made of convolutions, pixel shuffles and pointwise functions.
    """
    if isinstance(module, nn.Conv2d):
        return ConvRows(module)
    if isinstance(module, nn.Sequential):
        return Chain(*(row_stream(part) for part in module))
    if isinstance(module, nn.SiLU | nn.PixelShuffle):
        return Pointwise(module)
    if isinstance(module, Streamable):
        return module.stream()
    raise TypeError(f"{type(module).__name__} cannot be computed row by row")


class Streamable(nn.Module, ABC):
    """A module that knows its own row stream."""

    @abstractmethod
    def stream(self) -> RowStream:
        """Return a fresh stream that computes what ``forward`` computes."""


class RowDecoder(nn.Module, ABC):
    """A decoder that knows its own rows, because its layers are no row streams. Shapes as in ``Decoder``."""

    @abstractmethod
    def detail(self, latent: Tensor, lr: Tensor) -> Tensor:
        """Return what the image has beyond the enlarged LR image: (B, 3, 32H, 32W) float32."""

    @abstractmethod
    def rows(
        self, latent: Tensor, read_lr: ReadRows, *, rows: int, start: int, stop: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield detail and enlarged LR image of latent rows ``start`` to ``stop``, in strips of ``rows`` LR rows."""


def join_rows(*parts: Tensor | None) -> Tensor:
    """Put (1, C, rows, W) pieces below each other."""
    present = [part for part in parts if part is not None]
    if len(present) == 1:
        return present[0]
    # Rows of a channels_last image follow each other in memory; told so, cat is a plain copy, many times faster.
    return torch.cat([part.permute(0, 2, 3, 1) for part in present], 1).permute(0, 3, 1, 2)


class RowQueue:
    """Rows waiting for their partner: first in, first out."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []

    def put(self, x: Tensor | None) -> None:
        """Append rows."""
        if x is not None:
            self._parts.append(x)

    def take(self, count: int) -> Tensor:
        """Remove and return the first ``count`` rows, (1, C, count, W)."""
        taken: list[Tensor] = []
        while count:
            part = self._parts.pop(0)
            if part.shape[2] > count:
                self._parts.insert(0, part[:, :, count:])
                part = part[:, :, :count]
            taken.append(part)
            count -= part.shape[2]
        return join_rows(*taken)


class ConvRows:
    """A convolution with as much padding above and below as its own, or with given rows in place of that padding."""

    def __init__(self, conv: nn.Conv2d, above: Tensor | None = None, below: Tensor | None = None) -> None:
        self._conv, self._below = conv, below
        self._kernel, self._stride = conv.kernel_size[0], conv.stride[0]
        self._pad, self._pad_width = (int(side) for side in conv.padding)
        self._kept = None if above is None else above.clone()
        self._fresh = above is None

    def push(self, x: Tensor | None, *, last: bool) -> Tensor | None:
        if x is None and not last:
            return None
        if self._fresh and x is not None:
            self._kept, self._fresh = self._padding(x), False
        below = self._below if last and self._below is not None else None
        if last and below is None:
            example = self._kept if x is None else x
            assert example is not None, "a stream is not closed before its first row"
            below = self._padding(example)
        rows = join_rows(self._kept, x, below)
        count = max(0, (rows.shape[2] - self._kernel) // self._stride + 1)
        self._keep(rows[:, :, count * self._stride :])
        if not count:
            return None
        conv = self._conv
        return F.conv2d(rows, conv.weight, conv.bias, conv.stride, (0, self._pad_width), groups=conv.groups)

    def _keep(self, rows: Tensor) -> None:
        # A view would keep all of the rows it is cut from; and always new tensors would scatter over the heap, which
        # costs more than they do.
        if self._kept is not None and self._kept.shape == rows.shape:
            self._kept.copy_(rows)
        else:
            self._kept = rows.clone()

    def _padding(self, x: Tensor) -> Tensor | None:
        return torch.zeros_like(x[:, :, : self._pad]) if self._pad else None  # in the memory format of x


class Pointwise:
    """A function of each row by itself."""

    def __init__(self, function: nn.Module) -> None:
        self._function = function

    def push(self, x: Tensor | None, *, last: bool) -> Tensor | None:
        return None if x is None else self._function(x)


class Chain:
    """One stream after the other."""

    def __init__(self, *parts: RowStream) -> None:
        self._parts = parts

    def push(self, x: Tensor | None, *, last: bool) -> Tensor | None:
        for part in self._parts:
            x = part.push(x, last=last)
        return x


class Skip:
    """x + body(x): the input waits until its row of the body's output is there."""

    def __init__(self, body: RowStream) -> None:
        self._body, self._waiting = body, RowQueue()

    def push(self, x: Tensor | None, *, last: bool) -> Tensor | None:
        self._waiting.put(x)
        update = self._body.push(x, last=last)
        return None if update is None else self._waiting.take(update.shape[2]) + update
