import sys

import pytest

from linearsr.ablation.frame import run_ablation
from linearsr.ablation.plot import plot_findings
from linearsr.ablation.sampling import ablate_steps
from linearsr.errors import InputError
from linearsr.evaluation.choice import choose_metrics


@pytest.fixture
def findings(pipeline, pairs, tmp_path):
    metrics = choose_metrics(["psnr"], weights=None)
    return run_ablation(ablate_steps(pipeline), pairs, metrics, outputs=tmp_path / "out")


def test_the_picture_names_every_metric_and_variant_and_is_always_the_same(findings):
    picture = plot_findings(findings)
    assert picture == plot_findings(findings)
    text = picture.decode()
    for name in ("1 step", "20 steps", "latent_error ↓", "How many sampling steps"):
        assert name in text


def test_without_matplotlib_the_remedy_is_named(findings, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"linearsr\[plots\]"):
        plot_findings(findings)
