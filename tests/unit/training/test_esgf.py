import re

import numpy as np
import pytest

from linearsr.errors import DataError
from linearsr.training.esgf import KneeRule, find_knee, isotonic, rise_residuals, turn_rate

RISES = {
    "exponential": lambda x: 1 - np.exp(-5 * x),
    "power": lambda x: 1 - (1 + 8 * x) ** -1.2,
    "logistic": lambda x: 1 / (1 + np.exp(-10 * (x - 0.4))),
    "linear, then flat": lambda x: np.minimum(1.6 * x, 1),
}
SWINGS = {
    "alternating": lambda i, rng: (-1.0) ** i * rng.uniform(0.7, 1.3, len(i)),
    "periodic": lambda i, rng: 1.3 * np.cos(2 * np.pi * i / rng.uniform(2.2, 4.5)),
    "random": lambda i, rng: rng.choice([-1, 1], len(i)) * rng.uniform(0.6, 1.4, len(i)),
}


def rising(rng, samples, until, shape, noise):
    """A rise of one of the shapes that is flat after sample ``until``, with noise."""
    x = np.minimum(np.arange(samples), until) / until
    return RISES[shape](x) + rng.normal(0, noise, samples)


def with_knee(rng, samples, knee, shape, swing, noise):
    """The same with an oscillation of 6 to 20 times the noise after the knee, drifting down or not."""
    y = rising(rng, samples, knee, shape, noise)
    i = np.arange(samples - knee - 1)
    amplitude = noise * rng.uniform(6, 20)
    swings = SWINGS[swing](i, rng)
    swings[0] = -abs(swings[0]) - 0.3  # the first sample after the knee tells it apart
    y[knee + 1 :] += amplitude * (swings - rng.uniform(0, 2) * (i + 1) / len(i))
    return y


def metrics(rng, make, *arguments):
    """PSNR and LPIPS curves of one run: independent noise, the second turned over and rescaled."""
    return {"psnr": 22 + 4 * make(rng, *arguments), "lpips": 0.5 - 0.2 * make(rng, *arguments)}


def test_the_knee_is_found_within_a_sample_on_1200_curves():
    rng = np.random.default_rng(0)
    missed = []
    for shape in RISES:
        for swing in SWINGS:
            for _ in range(100):
                samples = int(rng.integers(20, 81))
                knee, noise = int(samples * rng.uniform(0.35, 0.75)), rng.uniform(0.001, 0.01)
                curves = metrics(rng, with_knee, samples, knee, shape, swing, noise)
                found = find_knee(curves)
                if found.index is None or abs(found.index - knee) > 1:
                    missed.append((shape, swing, samples, knee, found))
    assert len(missed) <= 60, missed


def test_no_knee_is_claimed_on_1200_curves_without_one():
    rng = np.random.default_rng(1)
    claimed = []
    for shape in RISES:
        for _ in range(300):
            samples, noise = int(rng.integers(10, 81)), rng.uniform(0.001, 0.03)
            until = int(samples * rng.uniform(0.3, 1.5))
            found = find_knee(metrics(rng, rising, samples, until, shape, noise))
            if found.index is not None:
                claimed.append((shape, samples, until, found))
    assert len(claimed) <= 2, claimed


def test_pure_noise_has_no_knee():
    rng = np.random.default_rng(2)
    found = [find_knee(metrics(rng, np.random.Generator.normal, 0, 1, 40)) for _ in range(100)]
    assert all(knee.index is None for knee in found)


def test_metrics_that_disagree_give_no_knee():
    rng = np.random.default_rng(3)
    curves = {
        "psnr": with_knee(rng, 60, 20, "exponential", "alternating", 0.005),
        "lpips": -with_knee(rng, 60, 44, "exponential", "alternating", 0.005),
    }
    verdict = find_knee(curves)
    assert verdict.index is None
    assert "disagree: psnr at sample 20, lpips at sample 44" in verdict.reason


def test_the_earlier_of_two_close_knees_wins():
    rng = np.random.default_rng(4)
    curves = {
        "psnr": with_knee(rng, 60, 31, "exponential", "alternating", 0.005),
        "lpips": -with_knee(rng, 60, 30, "exponential", "alternating", 0.005),
    }
    assert find_knee(curves).index == 30


def test_confidence_grows_with_the_oscillation():
    def confidence(amplitude):
        rng = np.random.default_rng(5)
        y = rising(rng, 50, 25, "exponential", 0.005)
        y[26:] += amplitude * (-1.0) ** np.arange(24)
        return find_knee({"psnr": y}).confidence

    assert 0 < confidence(0.03) < confidence(0.1) <= 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([20.0] * 12, "constant"),
        ([20, 21, 22, 23], "4 samples, needs 8"),
        (list(range(20)), "calm"),
        ([*range(10), 9, 5, 4, 3, 2, 1, 0, -1, -2, -3], "back and forth|calm"),
    ],
)
def test_the_reason_says_what_is_missing(values, reason):
    verdict = find_knee({"psnr": values})
    assert verdict.index is None
    assert verdict.confidence == 0
    assert re.search(reason, verdict.reason)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_named(bad):
    with pytest.raises(DataError, match=r"psnr is (nan|inf) at sample 2"):
        find_knee({"psnr": [1, 2, bad, 4]})


def test_curves_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="one length"):
        find_knee({"psnr": [1, 2], "lpips": [1]})


def test_a_stricter_rule_finds_less():
    rng = np.random.default_rng(6)
    y = with_knee(rng, 60, 30, "exponential", "alternating", 0.01)
    assert find_knee({"psnr": y}).index is not None
    assert find_knee({"psnr": y}, KneeRule(ratio=1e6)).index is None


def test_isotonic_is_the_closest_rising_sequence():
    np.testing.assert_allclose(isotonic(np.array([1.0, 3.0, 2.0, 2.0, 5.0])), [1, 7 / 3, 7 / 3, 7 / 3, 5])
    y = np.random.default_rng(7).normal(size=50)
    fit = isotonic(y)
    assert (np.diff(fit) >= 0).all()
    assert np.isclose(fit.mean(), y.mean())


def test_rise_residuals_are_those_of_every_prefix():
    y = np.random.default_rng(8).normal(size=30)
    expected = [np.sum((y[:k] - isotonic(y[:k])) ** 2) for k in range(1, 31)]
    np.testing.assert_allclose(rise_residuals(y), expected, atol=1e-12)


def test_turn_rate_counts_changes_of_direction():
    assert turn_rate(np.array([0.0, 1.0, 0.0, 1.0])) == 1
    assert turn_rate(np.array([0.0, 1.0, 1.0, 2.0])) == 0
    assert turn_rate(np.array([1.0])) == 0
