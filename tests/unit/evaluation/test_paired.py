import math
import sys

import numpy as np
import pytest
import scipy.stats

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.metrics import Metric
from linearsr.evaluation.paired import check_baseline, compare_with
from linearsr.evaluation.runner import MethodScores

PSNR = choose_metrics(["psnr"], weights=None)
LOWER = [Metric(name="psnr", higher_is_better=False, measure=lambda x, y: 0.0)]


def scores(name, values):
    return MethodScores(method=name, images={str(i): {"psnr": float(value)} for i, value in enumerate(values)})


def compare(ours, theirs, metrics=PSNR):
    (test,) = compare_with("base", [scores("base", theirs), scores("ours", ours)], metrics)
    return test


def test_differences_are_those_of_the_same_images():
    noise = np.random.default_rng(0)
    base = noise.normal(25, 5, 40)
    ours = base + noise.normal(0.3, 0.5, 40)
    test = compare(ours, base)
    differences = ours - base
    assert (test.metric, test.method, test.baseline, test.images) == ("psnr", "ours", "base", 40)
    assert test.difference.value == pytest.approx(differences.mean())
    assert test.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert test.p_t == pytest.approx(scipy.stats.ttest_rel(ours, base).pvalue)
    assert test.p_wilcoxon == pytest.approx(scipy.stats.wilcoxon(ours, base).pvalue)
    assert test.better_on == (differences > 0).sum()
    assert test.p_t < 0.01 < scipy.stats.ttest_ind(ours, base).pvalue  # pairing is what finds it


def test_better_follows_the_direction_of_the_metric():
    assert compare([1, 2, 9], [2, 3, 4], LOWER).better_on == 2


def test_equal_methods_do_not_differ_even_where_both_are_perfect():
    test = compare([20, math.inf], [20, math.inf])
    assert (test.difference.value, test.effect_size, test.p_t, test.p_wilcoxon) == (0, 0, 1, 1)


def test_the_same_difference_everywhere_is_certain():
    test = compare([21, 31, 41], [20, 30, 40])
    assert (test.effect_size, test.p_t) == (math.inf, 0)


def test_an_infinite_difference_cannot_be_tested():
    assert math.isnan(compare([20, math.inf], [20, 30]).p_t)


def test_every_other_method_is_tested_on_every_metric():
    methods = [scores(name, (1, 2, index)) for index, name in enumerate("abc")]
    assert [(test.method, test.baseline) for test in compare_with("b", methods, PSNR)] == [("a", "b"), ("c", "b")]


def test_what_cannot_be_compared_is_refused(monkeypatch):
    with pytest.raises(DataError, match="1 image cannot be tested"):
        compare([1], [2])
    with pytest.raises(DataError, match="different images"):
        compare([1, 2], [1, 2, 3])
    for baseline, names in (("c", ["a", "b"]), ("a", ["a"])):
        with pytest.raises(ConfigError, match=f"nothing to test against '{baseline}'"):
            check_baseline(baseline, names)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ConfigError, match=r"linearsr\[stats\]"):
        check_baseline("a", ["a", "b"])
