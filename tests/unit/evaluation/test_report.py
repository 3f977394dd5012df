import csv
import io
import json

import numpy as np
import pytest

from linearsr.evaluation.metrics import choose_metrics
from linearsr.evaluation.report import bootstrap_mean, render_report
from linearsr.evaluation.runner import MethodScores

METRICS = choose_metrics(["psnr", "ssim"], weights=None)
METHODS = [
    MethodScores(method="a", images={"x": {"psnr": 20.0, "ssim": 0.5}, "y": {"psnr": 30.0, "ssim": 0.7}}),
    MethodScores(method="b", images={"x": {"psnr": 25.0, "ssim": 0.6}, "y": {"psnr": 25.0, "ssim": 0.6}}),
]


def test_the_interval_covers_the_mean_as_often_as_it_says():
    draw = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        mean = bootstrap_mean(draw.normal(5, 2, 40), seed=seed)
        covered += mean.low <= 5 <= mean.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_is_reproducible_and_collapses_without_spread():
    assert bootstrap_mean([1, 2, 3]) == bootstrap_mean([1, 2, 3])
    mean = bootstrap_mean([4, 4, 4])
    assert (mean.low, mean.value, mean.high) == (4, 4, 4)


def test_markdown_has_a_row_a_method_and_says_which_way_is_better():
    lines = render_report(METHODS, METRICS, "md").splitlines()
    assert lines[0] == "| method | images | psnr ↑ | ssim ↑ |"
    assert lines[2] == "| a | 2 | 25.00 (20.00 to 30.00) | 0.6000 (0.5000 to 0.7000) |"
    assert lines[3].startswith("| b | 2 | 25.00 (25.00 to 25.00)")


def test_csv_has_a_row_an_image():
    rows = list(csv.DictReader(io.StringIO(render_report(METHODS, METRICS, "csv"))))
    assert len(rows) == 4
    assert rows[1] == {"method": "a", "image": "y", "psnr": "30.000000", "ssim": "0.700000"}


def test_json_holds_means_directions_and_images():
    report = json.loads(render_report(METHODS, METRICS, "json"))
    assert report["better"] == {"psnr": "higher", "ssim": "higher"}
    assert report["means"]["a"]["psnr"]["value"] == pytest.approx(25)
    assert report["images"]["b"]["y"]["ssim"] == 0.6
