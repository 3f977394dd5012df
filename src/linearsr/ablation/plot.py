"""The picture of an ablation: how far every variant is from the baseline, with its interval, a panel a metric."""

from __future__ import annotations

import io

from linearsr.ablation.frame import Findings
from linearsr.errors import InputError
from linearsr.evaluation.report import heading


def plot_findings(findings: Findings) -> bytes:
    """Draw mean paired differences with their 95 % intervals and return an SVG.

    Differences and not means: between images a metric varies far more than between variants.

    Raises:
        InputError: if matplotlib is missing.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plots need matplotlib", remedy="pip install 'linearsr[plots]'") from error
    metrics, names = findings.results.metrics, [row.name for row in findings.rows]
    baseline = findings.ablation.baseline
    figure = Figure(figsize=(3 * len(metrics), 1.4 + 0.35 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        axes.axvline(0, color="tab:red", linewidth=1)
        axes.plot([0], [names.index(baseline)], marker="o", color="tab:red")
        for test in findings.results.tests:
            if test.metric == metric.name:
                place, difference = names.index(test.method), test.difference
                axes.plot([difference.low, difference.high], [place, place], color="black")
                axes.plot([difference.value], [place], marker="o", color="black")
        axes.set(xlabel=heading(metric), yticks=range(len(names)), yticklabels=names)
    panels[0].invert_yaxis()
    figure.suptitle(f"{findings.ablation.question} Difference from: {baseline}", fontsize="medium")
    stream = io.BytesIO()
    # Ids made of a fixed salt and no date: the same findings are the same bytes. Letters stay text, which is smaller.
    with mpl.rc_context({"svg.hashsalt": "linearsr", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
