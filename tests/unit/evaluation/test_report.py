import csv
import io
import json

import pytest

from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.paired import PairedTest, compare_with
from linearsr.evaluation.report import Results, csv_text, json_text, markdown, verdict
from linearsr.evaluation.runner import MethodScores
from linearsr.evaluation.summary import Mean

METRICS = choose_metrics(["psnr", "gmsd"], weights=None)
METHODS = [
    MethodScores(method="a", images={"x": {"psnr": 20.0, "gmsd": 0.5}, "y": {"psnr": 30.0, "gmsd": 0.7}}),
    MethodScores(method="b|c", images={"x": {"psnr": 25.0, "gmsd": 0.6}, "y": {"psnr": 25.0, "gmsd": 0.6}}),
]
RESULTS = Results(methods=METHODS, metrics=METRICS)
TESTED = Results(methods=METHODS, metrics=METRICS, tests=compare_with("a", METHODS, METRICS), command="linearsr eval a")


def test_markdown_has_a_row_a_method_and_says_which_way_is_better():
    lines = markdown(RESULTS).splitlines()
    assert lines[0] == "| method | images | psnr ↑ | gmsd ↓ |"
    assert lines[2] == "| a | 2 | 25.00 (20.00 to 30.00) | 0.6000 (0.5000 to 0.7000) |"
    assert lines[3].startswith(r"| b\|c | 2 | 25.00 (25.00 to 25.00)")
    assert len(lines) == 6


def test_markdown_adds_the_tests_when_there_are_some():
    lines = markdown(TESTED).splitlines()
    assert lines[7].startswith("| metric | method | against | images | better on | difference |")
    assert lines[9] == r"| psnr | b\|c | a | 2 | 1 | 0.0000 (-5.0000 to 5.0000) | 0.00 | 1 | 1 |"


def test_csv_has_a_row_an_image():
    rows = list(csv.DictReader(io.StringIO(csv_text(RESULTS))))
    assert len(rows) == 4
    assert rows[1] == {"method": "a", "image": "y", "psnr": "30.000000", "gmsd": "0.700000"}


def test_json_holds_means_directions_tests_and_images():
    report = json.loads(json_text(TESTED))
    assert report["command"] == "linearsr eval a"
    assert report["better"] == {"psnr": "higher", "gmsd": "lower"}
    assert report["means"]["a"]["psnr"]["value"] == pytest.approx(25)
    assert report["images"]["b|c"]["y"]["gmsd"] == 0.6
    assert report["tests"][0]["difference"]["value"] == 0


def test_json_has_null_where_a_number_is_not_finite():
    perfect = MethodScores(method="a", images={"x": {"psnr": float("inf"), "gmsd": 0.0}})
    text = json_text(Results(methods=[perfect], metrics=METRICS))
    assert "Infinity" not in text
    assert json.loads(text)["images"]["a"]["x"] == {"psnr": None, "gmsd": 0.0}


def test_a_verdict_says_better_worse_and_undecided():
    def test_of(metric, low, high):
        mean = Mean((low + high) / 2, low, high)
        values = {"images": 4, "better_on": 1, "effect_size": 0.0, "p_t": 1.0, "p_wilcoxon": 1.0}
        return PairedTest(metric=metric, method="b", baseline="a", difference=mean, **values)

    tests = [test_of("psnr", 1, 3), test_of("ssim", -0.2, -0.1), test_of("lpips", -3, -1), test_of("dists", -1, 3)]
    higher = {"psnr": True, "ssim": True, "lpips": False, "dists": False}
    expected = "**b** beside a: better in psnr (+2), lpips (-2); worse in ssim (-0.15); undecided in dists (+1)."
    assert verdict(tests, higher) == expected
