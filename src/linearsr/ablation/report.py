"""The findings of an ablation as Markdown and JSON, with what they show in plain words."""

from __future__ import annotations

import json

from linearsr.ablation.frame import NO_TRAINING, Findings
from linearsr.evaluation.report import (
    LEGEND,
    TEST_HEADER,
    TEST_LEGEND,
    cell,
    heading,
    plain,
    row_of_test,
    table_lines,
    verdict,
)
from linearsr.evaluation.summary import bootstrap_mean

ONE_RUN = (
    "Intervals and tests are over images; every variant was trained once, so what another seed of the training would "
    "change is not in them."
)
LATENT_LEGEND = (
    "latent_error: root mean square difference from the latent of the reference, about 1 for the mean latent. It "
    "favours a mean over a sample, which has the right amount of detail, but not in the same places."
)


def markdown(findings: Findings) -> str:
    """The question, the table, what it shows, the tests, and the command."""
    ablation, results = findings.ablation, findings.results
    blocks = [
        f"# {ablation.question}",
        "\n".join(table(findings)),
        "\n".join(f"- {line}" for line in conclusions(findings)),
        " ".join(part for part in (ablation.remark, LEGEND, LATENT_LEGEND, _about_training(findings)) if part),
        "\n".join(table_lines(TEST_HEADER, [row_of_test(test) for test in results.tests])),
        TEST_LEGEND,
        f"Made by `{results.command}`.",
    ]
    return "\n\n".join(blocks) + "\n"


def table(findings: Findings) -> list[str]:
    """A row a variant: what was spent on it, and means with intervals."""
    results = findings.results
    header = ["variant", "training", *(heading(metric) for metric in results.metrics)]
    rows = []
    for row, method in zip(findings.rows, results.methods, strict=True):
        cells = [cell(bootstrap_mean(method.column(metric.name))) for metric in results.metrics]
        spent = f"{row.budget}; {row.note}" if row.note else row.budget
        rows.append([row.name, spent, *cells])
    return table_lines(header, rows)


def conclusions(findings: Findings) -> list[str]:
    """One sentence a variant: what it is better and worse in than the baseline."""
    higher = {metric.name: metric.higher_is_better for metric in findings.results.metrics}
    names = [row.name for row in findings.rows if row.name != findings.ablation.baseline]
    tests = {name: [test for test in findings.results.tests if test.method == name] for name in names}
    return [verdict(tests[name], higher) for name in names]


def json_text(findings: Findings, model: str) -> str:
    """Everything, with the value of every image."""
    ablation = findings.ablation
    report = {
        "ablation": ablation.kind,
        "question": ablation.question,
        "remark": ablation.remark,
        "model": model,
        "baseline": ablation.baseline,
        "variants": [{"name": row.name, "budget": row.budget, "note": row.note} for row in findings.rows],
        "conclusions": conclusions(findings),
        "latent_error": LATENT_LEGEND,
        "training": _about_training(findings),
        **plain(findings.results),
    }
    return json.dumps(report, indent=2) + "\n"


def _about_training(findings: Findings) -> str:
    return ONE_RUN if any(row.budget != NO_TRAINING for row in findings.rows) else ""
