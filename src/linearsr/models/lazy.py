"""Rows that are a pointwise function of others, computed where they are needed: written there, they are never copied.

The sum at the end of a residual block, and activations, are what the next convolution takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Size, Tensor

PointwiseFunction = Callable[..., object]
"""Takes tensors of one shape and ``out``, a tensor of that shape, for the result."""


@dataclass(frozen=True)
class Lazy:
    """``function`` of ``inputs``, (1, C, rows, W) each, not yet computed. Inputs must not change before it is."""

    function: PointwiseFunction
    inputs: tuple[Tensor, ...]

    @property
    def shape(self) -> Size:
        """Shape of the result."""
        return self.inputs[0].shape

    def write(self, out: Tensor) -> None:
        """Compute the result into ``out``."""
        self.function(*self.inputs, out=out)

    def split(self, rows: int) -> tuple[Lazy, ...]:
        """Cut into parts of ``rows`` rows."""
        parts = zip(*(torch.split(x, rows, dim=2) for x in self.inputs), strict=True)
        return tuple(Lazy(self.function, part) for part in parts)


Rows = Tensor | Lazy
"""Rows of features, (1, C, n, W)."""


def add(a: Rows, b: Rows) -> Lazy:
    """The sum of two."""
    return Lazy(torch.add, (evaluated(a), evaluated(b)))


def silu(x: Rows) -> Lazy:
    """SiLU of rows."""
    return Lazy(torch.ops.aten.silu.out, (evaluated(x),))


def evaluated(x: Rows) -> Tensor:
    """The values."""
    if isinstance(x, Tensor):
        return x
    out = torch.empty_like(x.inputs[0])
    x.write(out)
    return out


def write(x: Rows, out: Tensor) -> None:
    """Put the values into ``out``."""
    if isinstance(x, Tensor):
        out.copy_(x)
    else:
        x.write(out)


def split(x: Rows, rows: int) -> tuple[Rows, ...]:
    """Cut into parts of ``rows`` rows."""
    return torch.split(x, rows, dim=2) if isinstance(x, Tensor) else x.split(rows)
