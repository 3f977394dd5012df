"""BRISQUE: predicted opinion of an image from its statistics. Lower is better; no reference is needed.

    BRISQUE = sum_i c_i exp(-g |x - v_i|^2) - b

x are 36 features scaled to [-1, 1] by the ranges met in training: at full and at half size, the shape and variance of
the normalized luma, and of its products with four neighbours the shape, mean and two variances. Support vectors v_i,
their coefficients, g, b and the ranges are the authors' (trained on the LIVE database).
Reference: Mittal, Moorthy, Bovik, "No-reference image quality assessment in the spatial domain", 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linearsr.evaluation.luma import full_luma
from linearsr.evaluation.scene_statistics import (
    Plane,
    Values,
    fit_asymmetric,
    fit_symmetric,
    gamma,
    halve,
    normalize,
)

FEATURES = 36
SMALLEST_SIDE = 32
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))


@dataclass(frozen=True, kw_only=True)
class SupportVectors:
    """A support vector regression with a radial kernel: (V, 36) vectors, (V,) coefficients, (36,) feature ranges."""

    vectors: Values
    coefficients: Values
    gamma: float
    bias: float
    lowest: Values
    highest: Values

    def predict(self, features: Values) -> float:
        """(36,) features -> their score."""
        scaled = 2 * (features - self.lowest) / (self.highest - self.lowest) - 1
        kernel = np.exp(-self.gamma * ((self.vectors - scaled) ** 2).sum(1))
        return float(kernel @ self.coefficients - self.bias)


class BRISQUE:
    """Measures (H, W, 3) uint8 images of at least ``SMALLEST_SIDE`` a side."""

    def __init__(self, regression: SupportVectors) -> None:
        self._regression = regression

    def __call__(self, rgb: NDArray[np.uint8]) -> float:
        return self._regression.predict(image_features(full_luma(rgb)))


def image_features(luma: Plane) -> Values:
    """(H, W) luma -> (36,)."""
    return np.concatenate((_features_at(luma), _features_at(halve(luma))))


def _features_at(plane: Plane) -> Values:
    normalized = normalize(plane, repeat_edge=False)
    shape, variance = fit_symmetric(normalized.reshape(1, -1))
    features = [shape, variance]
    for offset in _NEIGHBOURS:
        fit = fit_asymmetric((normalized * np.roll(normalized, offset, axis=(0, 1))).reshape(1, -1))
        spread = np.sqrt(gamma(1 / fit.shape) / gamma(3 / fit.shape))
        mean = spread * (fit.right - fit.left) * gamma(2 / fit.shape) / gamma(1 / fit.shape)
        # A constant image has no negative and no positive values: their variance counts as none.
        features += [fit.shape, *(np.where(np.isnan(x), 0, x) for x in (mean, fit.left**2, fit.right**2))]
    return np.concatenate(features)
