"""Random numbers that are a pure function of seeds: one seed a sample, so that no sample knows of its companions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

COLUMNS = 96
"""Numbers available to one sample: more than any degradation draws."""


def derive_seed(*parts: int | str) -> int:
    """Mix numbers and names into one seed of 63 bits. Different parts give unrelated seeds."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Draws:
    """Parameters for B samples, drawn together: every call returns one (B,) CPU tensor and uses up one number each."""

    def __init__(self, seeds: Sequence[int]) -> None:
        rows = [torch.rand(COLUMNS, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self._columns = iter(torch.stack(rows, 1))

    def uniform(self, bounds: tuple[float, float]) -> Tensor:
        """Numbers between two bounds."""
        low, high = bounds
        numbers: Tensor = low + (high - low) * next(self._columns)
        return numbers

    def chance(self, probability: float) -> Tensor:
        """True with this probability."""
        happens: Tensor = next(self._columns) < probability
        return happens

    def pick(self, weights: Sequence[float]) -> Tensor:
        """Indices into ``weights``, each as likely as its weight."""
        edges = torch.tensor(weights, dtype=torch.float32).cumsum(0)
        chosen = torch.searchsorted(edges / edges[-1], next(self._columns), right=True)
        return chosen.clamp(max=len(weights) - 1)
