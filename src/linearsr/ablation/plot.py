"""The picture of an ablation: every variant's mean and interval, a panel a metric."""

from __future__ import annotations

import io

from linearsr.ablation.frame import Findings
from linearsr.errors import InputError
from linearsr.evaluation.report import heading
from linearsr.evaluation.summary import bootstrap_mean


def plot_findings(findings: Findings) -> bytes:
    """Draw the means with their 95 % intervals and return an SVG; the baseline's mean is a line through each panel.

    Raises:
        InputError: if matplotlib is missing.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plots need matplotlib", remedy="pip install 'linearsr[plots]'") from error
    results, names = findings.results, [row.name for row in findings.rows]
    figure = Figure(figsize=(3.2 * len(results.metrics), 1.2 + 0.4 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(results.metrics), squeeze=False, sharey=True)[0]
    for axes, metric in zip(panels, results.metrics, strict=True):
        for place, method in enumerate(results.methods):
            mean = bootstrap_mean(method.column(metric.name))
            is_baseline = method.method == findings.ablation.baseline
            color = "tab:red" if is_baseline else "black"
            if is_baseline:
                axes.axvline(mean.value, color=color, linewidth=0.5)
            axes.plot([mean.low, mean.high], [place, place], color=color)
            axes.plot([mean.value], [place], marker="o", color=color)
        axes.set(xlabel=heading(metric), yticks=range(len(names)), yticklabels=names)
    panels[0].invert_yaxis()
    figure.suptitle(findings.ablation.question, fontsize="medium")
    stream = io.BytesIO()
    # Ids made of a fixed salt and no date: the same findings are the same bytes.
    with mpl.rc_context({"svg.hashsalt": "linearsr"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
