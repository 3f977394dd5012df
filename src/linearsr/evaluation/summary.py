"""What the scores of a method come to: means over images, with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over images and its bootstrap confidence interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Sequence[float] | NDArray[np.float64], *, seed: int = 0) -> Mean:
    """Mean of ``values`` and the percentile interval of ``RESAMPLES`` resampled means."""
    data = np.asarray(values, dtype=np.float64)
    if not np.isfinite(data).all():  # the PSNR of an image that equals its reference
        mean = float(data.mean())
        return Mean(mean, mean, mean)
    picks = np.random.default_rng(seed).integers(0, len(data), (RESAMPLES, len(data)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(data[picks].mean(1), (tail, 1 - tail))
    return Mean(float(data.mean()), float(low), float(high))
