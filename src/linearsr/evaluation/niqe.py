"""NIQE: how far an image's statistics are from those of undistorted photos. Lower is better; no reference is needed.

    NIQE = sqrt( (m - m0)^T ((S + S0) / 2)^-1 (m - m0) )

m, S are mean and covariance of 36 features over the 96 x 96 blocks of the image: 18 at full size and 18 at half size,
each 2 of the normalized luma and 4 of its products with the neighbour to the right, below and along both diagonals.
m0, S0 are those of 125 photos, published by the authors. The luma is full-range and rounded, as in the authors' code;
some toolboxes take studio-range luma instead and differ by a few percent.
Reference: Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", 2013.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linearsr.evaluation.luma import full_luma
from linearsr.evaluation.scene_statistics import Plane, Values, fit_asymmetric, gamma, halve, normalize

BLOCK = 96
SMALLEST_SIDE = 2 * BLOCK
"""A covariance needs several blocks."""
FEATURES = 36
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


class NIQE:
    """Measures (H, W, 3) uint8 images of at least ``SMALLEST_SIDE`` a side.

    ``mean`` and ``covariance`` are those of the features of pristine photos.
    """

    def __init__(self, mean: Values, covariance: Values) -> None:
        self._mean = mean.reshape(FEATURES)
        self._covariance = covariance.reshape(FEATURES, FEATURES)

    def __call__(self, rgb: NDArray[np.uint8]) -> float:
        features = block_features(full_luma(rgb))
        whole = features[np.isfinite(features).all(1)]
        covariance = np.cov(whole, rowvar=False) if len(whole) > 1 else np.zeros_like(self._covariance)
        away = np.nanmean(features, axis=0) - self._mean
        return float(np.sqrt(away @ np.linalg.pinv((covariance + self._covariance) / 2) @ away))


def block_features(luma: Plane) -> Values:
    """(H, W) luma -> (blocks, 36); what of a block cannot be fitted is not a number."""
    rows, columns = (side // BLOCK for side in luma.shape)
    plane = luma[: rows * BLOCK, : columns * BLOCK]
    full = _features_at(plane, BLOCK)
    return np.concatenate((full, _features_at(halve(plane), BLOCK // 2)), axis=1)


def _features_at(plane: Plane, block: int) -> Values:
    normalized = normalize(plane, repeat_edge=True)
    blocks = normalized.reshape(len(plane) // block, block, -1, block).swapaxes(1, 2).reshape(-1, block, block)
    own = fit_asymmetric(blocks.reshape(len(blocks), -1))
    spread = np.sqrt(gamma(1 / own.shape) / gamma(3 / own.shape))
    features = [own.shape, spread * (own.left + own.right) / 2]
    for offset in _NEIGHBOURS:
        product = (blocks * np.roll(blocks, offset, axis=(1, 2))).reshape(len(blocks), -1)
        fit = fit_asymmetric(product)
        spread = np.sqrt(gamma(1 / fit.shape) / gamma(3 / fit.shape))
        mean = spread * (fit.right - fit.left) * gamma(2 / fit.shape) / gamma(1 / fit.shape)
        features += [fit.shape, mean, spread * fit.left, spread * fit.right]
    return np.stack(features, axis=1)
