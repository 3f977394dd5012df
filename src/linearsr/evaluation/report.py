"""The results as Markdown, CSV or JSON (the HTML page is ``page.py``)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from linearsr.evaluation.metrics import Metric
from linearsr.evaluation.paired import PairedTest
from linearsr.evaluation.runner import MethodScores
from linearsr.evaluation.summary import Mean, bootstrap_mean

LEGEND = "Means over the images, with 95 % bootstrap intervals. ↑ higher is better, ↓ lower is better."
TEST_LEGEND = (
    "Paired over the images, two-sided, not corrected for the number of comparisons. "
    "Effect size: mean difference over its standard deviation."
)

TEST_HEADER = (
    *("metric", "method", "against", "images", "better on"),
    *("difference", "effect size", "p (t)", "p (Wilcoxon)"),
)


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that was measured: a row a method, a column a metric, and the paired tests that were asked for.

    ``command`` is what made them, for JSON.
    """

    methods: Sequence[MethodScores]
    metrics: Sequence[Metric]
    tests: Sequence[PairedTest] = ()
    command: str = ""


def markdown(results: Results) -> str:
    """A table of means, and one of the tests."""
    header = ["method", "images", *(heading(metric) for metric in results.metrics)]
    rows = []
    for method in results.methods:
        cells = [cell(bootstrap_mean(method.column(metric.name))) for metric in results.metrics]
        rows.append([method.method, str(len(method.images)), *cells])
    lines = [*table_lines(header, rows), "", LEGEND]
    if results.tests:
        lines += ["", *table_lines(TEST_HEADER, [row_of_test(test) for test in results.tests]), "", TEST_LEGEND]
    return "\n".join(lines) + "\n"


def csv_text(results: Results) -> str:
    """A row an image and method, six decimals."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("method", "image", *(metric.name for metric in results.metrics)))
    for method in results.methods:
        for image, scores in method.images.items():
            writer.writerow((method.method, image, *(f"{scores[metric.name]:.6f}" for metric in results.metrics)))
    return stream.getvalue()


def json_text(results: Results) -> str:
    """What :func:`plain` returns, as JSON."""
    return json.dumps(plain(results), indent=2) + "\n"


def plain(results: Results) -> dict[str, object]:
    """Directions, means, tests and the value of every image. What is not finite, such as an infinite PSNR, is None."""
    means = {
        method.method: {metric.name: asdict(bootstrap_mean(method.column(metric.name))) for metric in results.metrics}
        for method in results.methods
    }
    report: dict[str, object] = {
        "command": results.command,
        "better": {metric.name: "higher" if metric.higher_is_better else "lower" for metric in results.metrics},
        "means": means,
        "tests": [asdict(test) for test in results.tests],
        "images": {method.method: method.images for method in results.methods},
    }
    return {name: _finite(part) for name, part in report.items()}


def row_of_test(test: PairedTest) -> list[str]:
    """The cells of a test, under ``TEST_HEADER``."""
    numbers = [str(test.images), str(test.better_on), cell(test.difference), f"{test.effect_size:.2f}"]
    return [test.metric, test.method, test.baseline, *numbers, f"{test.p_t:.2g}", f"{test.p_wilcoxon:.2g}"]


def verdict(tests: Sequence[PairedTest], higher_is_better: Mapping[str, bool]) -> str:
    """What one method is better and worse in than its baseline; undecided where the difference may be zero."""
    parts: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    for test in tests:
        difference = test.difference
        kind = "better" if (difference.value > 0) is higher_is_better[test.metric] else "worse"
        if difference.low <= 0 <= difference.high:
            kind = "undecided"
        parts[kind].append(f"{test.metric} ({difference.value:+.3g})")
    found = "; ".join(f"{kind} in {', '.join(names)}" for kind, names in parts.items() if names)
    return f"**{tests[0].method}** beside {tests[0].baseline}: {found}."


def heading(metric: Metric) -> str:
    """Name and direction of a metric."""
    return f"{metric.name} {'↑' if metric.higher_is_better else '↓'}"


def cell(mean: Mean) -> str:
    """A mean and its interval: two decimals from 2 on, else four."""
    digits = 2 if abs(mean.value) >= 2 else 4
    return f"{mean.value:.{digits}f} ({mean.low:.{digits}f} to {mean.high:.{digits}f})"


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [" | ".join(text.replace("|", "\\|") for text in cells) for cells in (header, *rows)]
    return [f"| {lines[0]} |", "|" + "---|" * len(header), *(f"| {line} |" for line in lines[1:])]


def _finite(value: object) -> object:
    """The same, with None in place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
