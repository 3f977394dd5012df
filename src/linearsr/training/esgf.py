"""ESGF, early-stopping guided fine-tuning: find the knee, the last checkpoint before validation quality oscillates.

While the training loss keeps falling, validation quality rises, flattens, and then oscillates. Every fine-tune starts
from the last checkpoint before that. For a split after sample k of a curve y (higher is better), model

    y_i = m_i + e_i,  m rising,  e ~ N(0, u)      for i <= k         improvement and plateau
    y_i = a + b i + e_i,         e ~ N(0, w)      for i >  k         oscillation around a line

    knee = argmin_k  sum_{i <= k} (y_i - m_i)^2 / u + (k + 1) ln u + (n - k - 1) (1 + ln w(k))

with m an isotonic fit, u the noise of the smooth part (from third differences) and w the mean squared residual of the
line. The split counts as a knee when the oscillation is real (w >> u, and the curve turns back and forth) and brings no
improvement. PSNR and a perceptual metric must agree; the earlier knee wins. The paper picks the knee by eye; this rule
is the project's own.
Reference: LinearSR, Li et al., 2025 (arXiv:2510.08771); isotonic regression by pooling adjacent violators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linearsr.errors import DataError

Curve = NDArray[np.float64]
REFINEMENTS = 5
LOWER_IS_BETTER = frozenset({"lpips", "dists", "niqe"})


@dataclass(frozen=True, kw_only=True)
class KneeRule:
    """What counts as a knee.

    ``shortest`` is the least number of samples on either side; ``rise`` the least improvement before the knee, in
    standard deviations of the oscillation; ``ratio`` how many times larger the noise variance after the knee must be;
    ``evidence`` the least log-likelihood ratio against no knee; ``turns`` the least share of changes of direction after
    it; ``improvement`` the largest gain after it, and ``tolerance`` the largest disagreement between metrics, both as
    shares (of the curve's range, of its length).
    """

    shortest: int = 4
    rise: float = 1.5
    ratio: float = 4.0
    evidence: float = 8.0
    turns: float = 0.3
    improvement: float = 0.05
    tolerance: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Knee:
    """The verdict: ``index`` of the knee among the samples, or None; ``confidence`` in [0, 1]; and why."""

    index: int | None
    confidence: float
    reason: str


def find_knee(curves: Mapping[str, Sequence[float]], rule: KneeRule | None = None) -> Knee:
    """Find the knee on which all metrics agree.

    Args:
        curves: metric name -> one value per checkpoint. Metrics in ``LOWER_IS_BETTER`` are turned over.
        rule: thresholds.

    Raises:
        DataError: if there is no curve, the lengths differ, or a value is not finite.
    """
    rule = rule or KneeRule()
    turned = {name: _oriented(name, values) for name, values in curves.items()}
    if len({len(curve) for curve in turned.values()}) != 1:
        lengths = {name: len(curve) for name, curve in turned.items()}
        raise DataError(f"validation curves must be of one length, not {lengths}", remedy="pass one value a checkpoint")
    verdicts = {name: find_knee_of(curve, rule) for name, curve in turned.items()}
    missing = [f"{name}: {verdict.reason}" for name, verdict in verdicts.items() if verdict.index is None]
    if missing:
        return Knee(index=None, confidence=0.0, reason="no knee yet; " + "; ".join(missing))
    found = {name: verdict.index for name, verdict in verdicts.items() if verdict.index is not None}
    length = len(next(iter(turned.values())))
    shown = ", ".join(f"{name} at sample {index}" for name, index in found.items())
    if max(found.values()) - min(found.values()) > max(2, rule.tolerance * length):
        return Knee(index=None, confidence=0.0, reason=f"no knee yet; the metrics disagree: {shown}")
    confidence = min(verdict.confidence for verdict in verdicts.values())
    return Knee(index=min(found.values()), confidence=confidence, reason=f"oscillation begins after {shown}")


def find_knee_of(curve: Curve, rule: KneeRule) -> Knee:
    """Find the knee of one curve, higher values being better."""
    n = len(curve)
    if n < 2 * rule.shortest:
        return Knee(index=None, confidence=0.0, reason=f"{n} samples, needs {2 * rule.shortest}")
    scale = float(np.ptp(curve))
    if scale == 0:
        return Knee(index=None, confidence=0.0, reason="the curve is constant")
    y = (curve - curve.min()) / scale
    k, calm, evidence = _split(y, rule.shortest)
    rough = _noise_around_line(y[k + 1 :])
    rise, plateau = isotonic(y[: k + 1])[[0, -1]]
    checks = {
        "it does not rise first": plateau - rise < rule.rise * math.sqrt(rough),
        "the tail is as calm as what came before": rough < rule.ratio * (1 + 8 / k) * calm or evidence < rule.evidence,
        "it is still improving": float(np.mean(y[k + 1 :])) - plateau > rule.improvement,
        "the tail does not turn back and forth": turn_rate(y[k:]) < rule.turns,
    }
    failed = [reason for reason, fails in checks.items() if fails]
    if failed:
        return Knee(index=None, confidence=0.0, reason=failed[0])
    return Knee(index=k, confidence=1 - calm / rough, reason=f"noise grows {math.sqrt(rough / calm):.1f}-fold")


def isotonic(y: Curve) -> Curve:
    """The non-decreasing sequence closest to ``y`` in least squares."""
    blocks: list[Block] = []
    for value in y:
        _pool(blocks, float(value))
    return np.repeat([block.mean for block in blocks], [block.count for block in blocks])


def rise_residuals(y: Curve) -> Curve:
    """Squared residuals of the isotonic fit of every prefix: element k belongs to ``y[:k + 1]``."""
    blocks: list[Block] = []
    residuals = np.empty(len(y))
    total = 0.0
    for k, value in enumerate(y):
        total += _pool(blocks, float(value))
        residuals[k] = total
    return residuals


@dataclass(frozen=True)
class Block:
    """Samples that the isotonic fit gives one value."""

    mean: float
    count: int


def _pool(blocks: list[Block], value: float) -> float:
    """Add a sample to an isotonic fit and return by how much the squared residuals grow."""
    new, growth = Block(value, 1), 0.0
    while blocks and blocks[-1].mean > new.mean:
        old = blocks.pop()
        count = old.count + new.count
        growth += (old.mean - new.mean) ** 2 * old.count * new.count / count
        new = Block((old.mean * old.count + new.mean * new.count) / count, count)
    blocks.append(new)
    return growth


def turn_rate(y: Curve) -> float:
    """Share of interior samples at which the curve changes direction: 0 for a monotone one, 2/3 for white noise."""
    direction = np.sign(np.diff(y))
    direction = direction[direction != 0]
    return float(np.mean(direction[1:] != direction[:-1])) if len(direction) > 1 else 0.0


def _oriented(name: str, values: Sequence[float]) -> Curve:
    curve = np.asarray(values, dtype=np.float64)
    if not np.isfinite(curve).all():
        bad = int(np.flatnonzero(~np.isfinite(curve))[0])
        raise DataError(f"{name} is {curve[bad]} at sample {bad}", remedy="leave out what follows a diverged step")
    return -curve if name in LOWER_IS_BETTER else curve


def _split(y: Curve, shortest: int) -> tuple[int, float, float]:
    """Return the last sample before the oscillation, the noise variance up to it, and the evidence for the split.

    Evidence is the log-likelihood ratio against a curve that only rises.
    """
    n = len(y)
    splits = range(shortest - 1, n - shortest)
    rise = rise_residuals(y)
    tail = {k: (n - k - 1) * (1 + math.log(_noise_around_line(y[k + 1 :]))) for k in splits}
    # Third differences of a smooth curve are noise only: their variance is 1 + 9 + 9 + 1 = 20 times that of a sample.
    squares = np.diff(y, 3) ** 2 / 20
    window = max(shortest, n // 5)
    calm = min(_median_variance(squares[start : start + window]) for start in range(len(squares) - window + 1))

    def cost(k: int) -> float:
        """Twice the negative log-likelihood of a split after sample ``k``, up to a constant."""
        return float(rise[k]) / calm + (k + 1) * math.log(calm) + tail.get(k, 0.0)

    k = -1
    for _ in range(REFINEMENTS):
        last, k = k, min(splits, key=cost)
        if k == last:
            break
        calm = _median_variance(squares[: k - 2])
    return k, calm, (cost(n - 1) - cost(k)) / 2


def _median_variance(squares: Curve) -> float:
    # The median is blind to the bend of a steep start; 0.455 is the median of a squared standard normal variable. The
    # floor, a thousandth of the range, keeps a noiseless rise from making any ripple look like an oscillation.
    return float(np.median(squares)) / 0.455 + 1e-6


def _noise_around_line(y: Curve) -> float:
    steps = np.arange(len(y), dtype=np.float64)
    line = np.polyval(np.polyfit(steps, y, 1), steps)
    return float(np.sum((y - line) ** 2)) / (len(y) - 2) + 1e-6
