"""The table of methods and metrics, with confidence intervals, as Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from linearsr.evaluation.metrics import Metric
from linearsr.evaluation.runner import MethodScores

ReportFormat = Literal["md", "csv", "json"]
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over images and its bootstrap confidence interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Sequence[float], *, seed: int = 0) -> Mean:
    """Mean of ``values`` and the percentile interval of ``RESAMPLES`` resampled means."""
    data = np.asarray(values, dtype=np.float64)
    if not np.isfinite(data).all():  # the PSNR of an image that equals its reference
        mean = float(data.mean())
        return Mean(mean, mean, mean)
    picks = np.random.default_rng(seed).integers(0, len(data), (RESAMPLES, len(data)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(data[picks].mean(1), (tail, 1 - tail))
    return Mean(float(data.mean()), float(low), float(high))


def render_report(methods: Sequence[MethodScores], metrics: Sequence[Metric], form: ReportFormat) -> str:
    """Return the report: a table of means (md), every image's values (csv), or both (json)."""
    return {"md": _markdown, "csv": _csv, "json": _json}[form](methods, metrics)


def _markdown(methods: Sequence[MethodScores], metrics: Sequence[Metric]) -> str:
    arrows = [f"{metric.name} {'↑' if metric.higher_is_better else '↓'}" for metric in metrics]
    lines = [f"| method | images | {' | '.join(arrows)} |", "|---|---|" + "---|" * len(metrics)]
    for method in methods:
        cells = [_cell(bootstrap_mean(method.column(metric.name))) for metric in metrics]
        lines.append(f"| {method.method} | {len(method.images)} | {' | '.join(cells)} |")
    lines.append("")
    lines.append("Means over the images, with 95 % bootstrap intervals. ↑ higher is better, ↓ lower is better.")
    return "\n".join(lines) + "\n"


def _cell(mean: Mean) -> str:
    digits = 2 if abs(mean.value) >= 2 else 4
    return f"{mean.value:.{digits}f} ({mean.low:.{digits}f} to {mean.high:.{digits}f})"


def _csv(methods: Sequence[MethodScores], metrics: Sequence[Metric]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("method", "image", *(metric.name for metric in metrics)))
    for method in methods:
        for image, scores in method.images.items():
            writer.writerow((method.method, image, *(f"{scores[metric.name]:.6f}" for metric in metrics)))
    return stream.getvalue()


def _json(methods: Sequence[MethodScores], metrics: Sequence[Metric]) -> str:
    means = {
        method.method: {metric.name: vars(bootstrap_mean(method.column(metric.name))) for metric in metrics}
        for method in methods
    }
    directions = {metric.name: "higher" if metric.higher_is_better else "lower" for metric in metrics}
    images = {method.method: method.images for method in methods}
    return json.dumps({"better": directions, "means": means, "images": images}, indent=2) + "\n"
