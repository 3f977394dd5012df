"""Statistics of natural scenes, which NIQE and BRISQUE share.

    n = (I - m) / (s + 1)                     m, s: mean and deviation under a 7 x 7 Gaussian of sigma 7/6
    GGD(x; a, s2)      ~ exp(-(|x| / b)^a)                        fitted to n
    AGGD(x; a, l, r)   ~ exp(-(-x / bl)^a) for x < 0, else exp(-(x / br)^a)     fitted to products of neighbours in n

Fits match moments: the shape a is the one of 9,801 tabulated shapes whose ratio of moments is nearest. In undistorted
photos n is close to Gaussian and these parameters vary little; distortions move them. Samples to be fitted are
(K, P): K regions of P values. References: Mittal et al., 2012 (BRISQUE), 2013 (NIQE).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Plane = NDArray[np.float64]
Values = NDArray[np.float64]
WINDOW, SIGMA = 7, 7 / 6
FLAT = 1e-9
"""Deviations below this are rounding errors of a constant area."""
_HALVING = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
"""Bicubic kernel (a = -1/2) stretched for halving: its values at 7/4, 5/4, 3/4 and 1/4, over their sum."""


def gamma(x: Values) -> Values:
    """The gamma function of positive numbers."""
    values: Values = torch.from_numpy(np.asarray(x, dtype=np.float64)).lgamma().exp().numpy()
    return values


_SHAPES: Values = np.linspace(0.2, 10, 9801)
_RATIOS: Values = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
"""(E|x|)^2 / E x^2 of a generalized Gaussian of each shape; increasing."""


@dataclass(frozen=True)
class Asymmetric:
    """Fitted AGGD of K regions: shapes, and root mean squares of the negative and of the positive values, (K,) each.

    Where a region has no negative or no positive value, that side is not a number.
    """

    shape: Values
    left: Values
    right: Values


def normalize(plane: Plane, *, repeat_edge: bool) -> Plane:
    """Return n of an (H, W) plane; outside it lies its edge, repeated, or zero."""
    taps = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    taps /= taps.sum()
    padded = np.pad(plane, WINDOW // 2, mode="edge" if repeat_edge else "constant")
    row = torch.from_numpy(taps).view(1, 1, 1, -1)

    def blur(values: Plane) -> Plane:
        blurred = F.conv2d(F.conv2d(torch.from_numpy(values)[None, None], row), row.mT)
        result: Plane = blurred[0, 0].numpy()
        return result

    mean = blur(padded)
    deviation = np.sqrt(np.abs(blur(padded**2) - mean**2))
    difference = plane - mean
    difference[np.abs(difference) < FLAT] = 0
    normalized: Plane = difference / (deviation + 1)
    return normalized


def halve(plane: Plane) -> Plane:
    """Halve an (H, W) plane, rounding its sides up: bicubic with antialiasing, the edge mirrored."""
    taps = torch.from_numpy(_HALVING).view(1, 1, 1, -1)
    after = [3 + side % 2 for side in plane.shape]
    padded = np.pad(plane, ((3, after[0]), (3, after[1])), mode="symmetric")
    rows = F.conv2d(torch.from_numpy(padded)[None, None], taps, stride=(1, 2))
    half: Plane = F.conv2d(rows, taps.mT, stride=(2, 1))[0, 0].numpy()
    return half


def fit_symmetric(samples: Values) -> tuple[Values, Values]:
    """Fit a GGD to each row of (K, P) samples: shapes and variances, (K,) each."""
    variance = np.mean(samples**2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = variance / np.mean(np.abs(samples), axis=1) ** 2
    return _nearest_shape(ratio, 1 / _RATIOS), variance


def fit_asymmetric(samples: Values) -> Asymmetric:
    """Fit an AGGD to each row of (K, P) samples."""
    squares = samples**2
    negative, positive = samples < 0, samples > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt((squares * negative).sum(1) / negative.sum(1))
        right = np.sqrt((squares * positive).sum(1) / positive.sum(1))
        skew = left / right
        ratio = np.mean(np.abs(samples), axis=1) ** 2 / np.mean(squares, axis=1)
        symmetric = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    return Asymmetric(_nearest_shape(symmetric, _RATIOS), left, right)


def _nearest_shape(ratio: Values, table: Values) -> Values:
    # A ratio that is not a number gets the first shape, as it does in the authors' code.
    shapes: Values = _SHAPES[np.abs(table - ratio[:, None]).argmin(1)]
    return shapes
