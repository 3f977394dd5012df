"""Whether one method is better than another on the same images: paired tests and the size of the effect.

    d_i = score of the method - score of the baseline, on image i
    t-test      is the mean of d other than 0? (d taken as normal)
    Wilcoxon    is the distribution of d symmetric about 0?
    effect size d_z = mean(d) / std(d): 0.2 small, 0.5 medium, 0.8 large (Cohen, 1988)

P-values are two-sided and not corrected for the number of comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.metrics import Metric
from linearsr.evaluation.runner import MethodScores
from linearsr.evaluation.summary import Mean, bootstrap_mean

FEWEST_IMAGES = 2


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """One metric of a method against a baseline's: mean difference, effect size, p-values, and images it wins."""

    metric: str
    method: str
    baseline: str
    images: int
    better_on: int
    difference: Mean
    effect_size: float
    p_t: float
    p_wilcoxon: float


def check_baseline(baseline: str, methods: Sequence[str]) -> None:
    """See that tests against ``baseline`` can be made, before anything is measured.

    Raises:
        ConfigError: if no method has this name, there is no other one, or scipy is not installed.
    """
    if baseline not in methods or len(methods) < 2:
        raise ConfigError(
            f"nothing to test against {baseline!r}", remedy=f"name one of several methods: {', '.join(methods)}"
        )
    _import_stats()


def compare_with(baseline: str, methods: Sequence[MethodScores], metrics: Sequence[Metric]) -> list[PairedTest]:
    """Test every other method against the one named ``baseline``, metric by metric.

    Raises:
        ConfigError: as :func:`check_baseline`.
        DataError: if there are fewer than two images, or the methods have scores of different images.
    """
    check_baseline(baseline, [method.method for method in methods])
    stats = _import_stats()
    (theirs,) = (method for method in methods if method.method == baseline)
    others = [method for method in methods if method is not theirs]
    return [_test(stats, ours, theirs, metric) for metric in metrics for ours in others]


def _test(stats: Any, method: MethodScores, baseline: MethodScores, metric: Metric) -> PairedTest:
    if method.images.keys() != baseline.images.keys():
        raise DataError(
            f"{method.method} and {baseline.method} have scores of different images", remedy="measure the same images"
        )
    ours, theirs = (np.array(scores.column(metric.name)) for scores in (method, baseline))
    equal = ours == theirs  # both may be infinite, as the PSNR of an image that equals its reference is
    differences = np.where(equal, 0.0, np.subtract(ours, theirs, where=~equal, out=np.zeros_like(ours)))
    if len(differences) < FEWEST_IMAGES:
        raise DataError(
            f"{len(differences)} image cannot be tested", remedy=f"measure {FEWEST_IMAGES} or more, or drop --against"
        )
    better = differences > 0 if metric.higher_is_better else differences < 0
    effect_size, p_t, p_wilcoxon = _statistics(stats, differences)
    return PairedTest(
        metric=metric.name,
        method=method.method,
        baseline=baseline.method,
        images=len(differences),
        better_on=int(better.sum()),
        difference=bootstrap_mean(differences),
        effect_size=effect_size,
        p_t=p_t,
        p_wilcoxon=p_wilcoxon,
    )


def _statistics(stats: Any, differences: np.ndarray) -> tuple[float, float, float]:
    """Effect size and the two p-values; not numbers where a difference is infinite."""
    if not np.isfinite(differences).all():
        return float("nan"), float("nan"), float("nan")
    if not differences.any():
        return 0.0, 1.0, 1.0
    p_wilcoxon = float(stats.wilcoxon(differences).pvalue)
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if spread <= 1e-12 * abs(mean):  # the same difference on every image: the t statistic divides by zero
        return float(np.copysign(np.inf, mean)), 0.0, p_wilcoxon
    return mean / spread, float(stats.ttest_1samp(differences, 0.0).pvalue), p_wilcoxon


def _import_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise ConfigError("paired tests need scipy", remedy="pip install 'linearsr[stats]'") from error
    return stats
