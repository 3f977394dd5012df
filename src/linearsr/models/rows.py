"""Convolutional networks fed a few rows at a time, with the exact result of feeding them the whole image.

    push(x[a:b]) -> the output rows that are complete by now; the last push returns the rest

Every convolution keeps the input rows that its next output rows still need and nothing else, so a network of any
depth costs no recomputation and its memory does not grow with the height of the image. Legend: x (1, C, rows, W).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models import lazy
from linearsr.models.lazy import Rows

ReadRows = Callable[[int, int], Tensor]
"""Returns rows a to b of the LR image as (1, 3, b - a, 8W) float32 in [-1, 1], on the device of the model."""


class RowStream(Protocol):
    """Takes consecutive rows and returns consecutive rows."""

    def push(self, x: Rows | None, *, last: bool) -> Rows | None:
        """Take the next rows, (1, C, rows, W), and return what became complete; None stands for no rows.

        What is returned is to be used before the next push.
        """
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
    if isinstance(module, nn.SiLU):
        return EachRow(lazy.silu)
    if isinstance(module, nn.PixelShuffle | nn.PixelUnshuffle):
        return EachRow(lambda x: module(lazy.evaluated(x)))
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


def join_rows(*parts: Rows | None) -> Tensor:
    """Put (1, C, rows, W) pieces below each other."""
    present = [lazy.evaluated(part) for part in parts if part is not None]
    if len(present) == 1:
        return present[0]
    # Rows of a channels_last image follow each other in memory; told so, cat is a plain copy, many times faster.
    return torch.cat([part.permute(0, 2, 3, 1) for part in present], 1).permute(0, 3, 1, 2)


def cascade(steps: Sequence[tuple[RowStream, int]], x: Rows | None, *, last: bool) -> Iterator[Rows]:
    """Send rows through streams one after the other and yield what comes out of the last one.

    Each stream takes at most as many rows at a time as stand beside it. At the end of an image every stream lets go of
    what it held back: passed on at once, that would add up. Rows are let go of as soon as the next stream has them.
    """
    waiting = _in_turn(steps, 0, x, last=last)
    while waiting:
        level, x, closing = waiting.pop()
        if level < len(steps):
            waiting += _in_turn(steps, level + 1, steps[level][0].push(x, last=closing), last=closing)
        elif x is not None:
            yield x


def _in_turn(
    steps: Sequence[tuple[RowStream, int]], level: int, x: Rows | None, *, last: bool
) -> list[tuple[int, Rows | None, bool]]:
    """Cut rows into parts for the step of that level, each with "is last"; the first one at the end."""
    parts = [x] if x is None or level == len(steps) else lazy.split(x, steps[level][1])
    return [(level, part, last and index == len(parts)) for index, part in enumerate(parts, start=1)][::-1]


class RowQueue:
    """Rows waiting for their partner: first in, first out, in a ring of memory that is used again and again.

    Rows that stay where they were made would scatter over the heap, which costs more than they do.
    """

    def __init__(self) -> None:
        self._ring: Tensor | None = None  # (room, W, C)
        self._first = self._count = 0

    def put(self, x: Rows | None) -> None:
        """Append rows, (1, C, rows, W)."""
        if x is None:
            return
        rows = lazy.evaluated(x)[0].permute(1, 2, 0)
        if self._ring is None or self._count + len(rows) > len(self._ring):
            self._grow(rows)
        else:
            self._write(rows)
        self._count += len(rows)

    def take(self, count: int) -> Tensor:
        """Remove the first ``count`` rows and return them, (1, C, count, W), for use before the next are put."""
        assert self._ring is not None, "rows are put before they are taken"
        assert count <= self._count, "more rows are taken than were put"
        parts = [part.permute(2, 0, 1)[None] for part in self._pieces(self._first, count)]
        self._first, self._count = (self._first + count) % len(self._ring), self._count - count
        return join_rows(*parts)

    def _grow(self, rows: Tensor) -> None:
        waiting = [] if self._ring is None else self._pieces(self._first, self._count)
        self._ring, self._first = torch.cat([*waiting, rows]), 0

    def _write(self, rows: Tensor) -> None:
        pieces = self._pieces(self._first + self._count, len(rows))
        for piece, part in zip(pieces, torch.split(rows, [len(piece) for piece in pieces]), strict=True):
            piece.copy_(part)

    def _pieces(self, first: int, count: int) -> list[Tensor]:
        """The ``count`` places from ``first`` on, as one or two pieces of the ring."""
        assert self._ring is not None, "a ring has places once it was grown"
        first %= len(self._ring)
        until_end = min(count, len(self._ring) - first)
        pieces = [self._ring[first : first + until_end], self._ring[: count - until_end]]
        return [piece for piece in pieces if len(piece)]


class ConvRows:
    """A convolution with as much padding above and below as its own, or with given rows in place of that padding.

    ``push`` is ``make_room``, writing the rows into the room, and ``finish``.
    """

    def __init__(self, conv: nn.Conv2d, above: Tensor | None = None, below: Tensor | None = None) -> None:
        self._conv, self._below = conv, below
        self._kernel, self._stride = conv.kernel_size[0], conv.stride[0]
        self._pad, self._pad_width = (int(side) for side in conv.padding)
        self._kept = None if above is None else above.clone()
        self._width = 0

    def push(self, x: Rows | None, *, last: bool) -> Tensor | None:
        rows = self.join(x, last=last)
        return None if rows is None else self.finish(rows, last=last)

    def join(self, x: Rows | None, *, last: bool) -> Tensor | None:
        """Return what is kept and the next rows below it, padded at an end of the image."""
        if x is None and not last:
            return None
        count, width = (0, self._width) if x is None else (x.shape[2], x.shape[3])
        rows, room = self.make_room(count, width, last=last)
        if x is not None:
            lazy.write(x, room)
        return rows

    def make_room(self, count: int, width: int, *, last: bool) -> tuple[Tensor, Tensor]:
        """Return the same with ``count`` rows yet to be written, and the place for them."""
        assert count or self._kept is not None, "a stream is not closed before its first row"
        above = self._edge(width) if self._kept is None else self._kept
        below = None if not last else self._edge(width) if self._below is None else self._below
        top = above.shape[2]
        bottom = top + count
        rows = self._empty(bottom + (0 if below is None else below.shape[2]), width)
        rows[:, :, :top] = above
        if below is not None:
            rows[:, :, bottom:] = below
        self._width = width
        return rows, rows[:, :, top:bottom]

    def finish(self, rows: Tensor, *, last: bool) -> Tensor | None:
        """Keep what the next rows will need of these, and return the output rows that they are enough for, if any."""
        count = max(0, (rows.shape[2] - self._kernel) // self._stride + 1)
        self._keep(None if last else rows[:, :, count * self._stride :])
        if not count:
            return None
        conv = self._conv
        return F.conv2d(rows, conv.weight, conv.bias, conv.stride, (0, self._pad_width), groups=conv.groups)

    def _edge(self, width: int) -> Tensor:
        """The convolution's own padding above or below an image."""
        return self._empty(self._pad, width).zero_()

    def _empty(self, height: int, width: int) -> Tensor:
        values = self._conv.weight.new_empty((height, width, self._conv.in_channels))
        return values.permute(2, 0, 1)[None]

    def _keep(self, rows: Tensor | None) -> None:
        # A view would keep all of the rows it is cut from; and always new tensors would scatter over the heap.
        if rows is not None and self._kept is not None and self._kept.shape == rows.shape:
            self._kept.copy_(rows)
        else:
            self._kept = None if rows is None else rows.clone()


class EachRow:
    """A function of each row by itself."""

    def __init__(self, function: Callable[[Rows], Rows]) -> None:
        self._function = function

    def push(self, x: Rows | None, *, last: bool) -> Rows | None:
        return None if x is None else self._function(x)


class Waiting(Protocol):
    """Rows that wait for their partner."""

    def take(self, count: int) -> Tensor:
        """Return the next ``count`` rows, (1, C, count, W)."""
        ...


class Adding:
    """Adds to each row the one that waits for it."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def push(self, x: Rows | None, *, last: bool) -> Rows | None:
        return None if x is None else lazy.add(self._waiting.take(x.shape[2]), x)


class Chain:
    """One stream after the other."""

    def __init__(self, *parts: RowStream) -> None:
        self._parts = parts

    def push(self, x: Rows | None, *, last: bool) -> Rows | None:
        for part in self._parts:
            x = part.push(x, last=last)
        return x


class ResidualRows:
    """x + second(SiLU(first(x))) for two 3x3 convolutions.

    The input need not wait for its update: its rows are still among those that the first convolution has joined.
    """

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        self._first, self._second = ConvRows(first), ConvRows(second)
        self._returned, self._top = 0, -1  # joined rows begin with the padding above row 0

    def push(self, x: Rows | None, *, last: bool) -> Rows | None:
        rows = self._first.join(x, last=last)
        if rows is None:
            return None
        hidden = self._first.finish(rows, last=last)
        offset = self._returned - self._top
        self._top += 0 if hidden is None else hidden.shape[2]
        update = self._second.push(None if hidden is None else lazy.silu(hidden), last=last)
        if update is None:
            return None
        self._returned += update.shape[2]
        return lazy.add(update, rows[:, :, offset : offset + update.shape[2]])
