"""Colour fixes: bring the colours of a generated picture back to those of its source, row by row.

    wavelet   low frequencies of the source, high frequencies of the result (a-trous wavelet, five levels)
    adain     mean and standard deviation of each channel of the source

Images are (1, 3, H, W); the source has been enlarged to the result's size. Reference: StableSR (arXiv:2305.07015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 5


class ColorFixRows(Protocol):
    """A colour fix that is fed with rows from top to bottom."""

    def push(self, result: Tensor, source: Tensor, *, last: bool) -> Tensor:
        """Take the next (1, 3, n, W) rows of both; return the fixed rows that are complete, maybe none."""
        ...


class WaveletFix:
    """result + low_frequencies(source - result), 31 rows behind."""

    def __init__(self, levels: int = LEVELS) -> None:
        self._levels = [_BlurRows(2**level) for level in range(levels)]
        self._waiting: list[Tensor] = []

    def push(self, result: Tensor, source: Tensor, *, last: bool) -> Tensor:
        self._waiting.append(result)
        low: Tensor | None = source - result
        for level in self._levels:
            low = level.push(low, last=last)
        if low is None:
            return result[:, :, :0]
        waiting = torch.cat(self._waiting, 2)
        self._waiting = [waiting[:, :, low.shape[2] :].clone()]  # a view would keep all that is no longer waiting
        return waiting[:, :, : low.shape[2]] + low


class _BlurRows:
    """One level of the wavelet: a binomial filter of 3 x 3 taps, ``reach`` apart, edges repeated."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._kept: Tensor | None = None

    def push(self, x: Tensor | None, *, last: bool) -> Tensor | None:
        reach = self._reach
        if x is not None:
            x = _blur(F.pad(x, (reach, reach, 0, 0), mode="replicate"), 3, reach)
            self._kept = torch.cat((x[:, :, :1].expand(-1, -1, reach, -1) if self._kept is None else self._kept, x), 2)
        if self._kept is None:
            return None
        if last:
            self._kept = torch.cat((self._kept, self._kept[:, :, -1:].expand(-1, -1, reach, -1)), 2)
        if self._kept.shape[2] <= 2 * reach:
            return None
        blurred = _blur(self._kept, 2, reach)
        self._kept = self._kept[:, :, -2 * reach :].clone()
        return blurred


def _blur(x: Tensor, dim: int, reach: int) -> Tensor:
    """Weigh ``x`` by 1/4, 1/2, 1/4 at distance ``reach`` along ``dim``, which becomes 2 ``reach`` shorter."""
    length = x.shape[dim] - 2 * reach
    sides = x.narrow(dim, 0, length) + x.narrow(dim, 2 * reach, length)
    return sides.mul_(0.25).add_(x.narrow(dim, reach, length), alpha=0.5)


class AdainFix:
    """Gives a result the mean and deviation of its source; needs to have seen both whole before the first row."""

    def __init__(self, seen: Iterable[tuple[Tensor, Tensor]], add_up: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """``seen`` are the rows of (result, source); ``add_up`` adds what other processes have seen."""
        sums = add_up(torch.stack([torch.stack([_power_sums(image) for image in pair]) for pair in seen]).sum(0))
        count, total, squares = sums.unbind(1)
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        self._mean, self._wanted_mean = mean.float()[..., None, None].unbind(0)
        self._gain = (deviation[1] / (deviation[0] + 1e-5)).float()[..., None, None]

    def push(self, result: Tensor, source: Tensor, *, last: bool) -> Tensor:
        return (result - self._mean) * self._gain + self._wanted_mean


def _power_sums(image: Tensor) -> Tensor:
    """Number, sum and sum of squares of each channel's values: (1, 3, n, W) -> (3, 1, 3) float64."""
    values = image.double().flatten(2)
    return torch.stack((torch.ones_like(values).sum(2), values.sum(2), values.square().sum(2)))


class NoFix:
    """Leaves the result as it is."""

    def push(self, result: Tensor, source: Tensor, *, last: bool) -> Tensor:
        return result
