import numpy as np

from linearsr.evaluation.summary import bootstrap_mean


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


def test_an_infinite_score_makes_the_mean_infinite():
    mean = bootstrap_mean([1, float("inf")])
    assert (mean.low, mean.value, mean.high) == (float("inf"),) * 3
