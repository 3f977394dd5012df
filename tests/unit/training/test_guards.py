import math

import pytest

from linearsr.training.guards import FEWEST, MAX_SKIPPED, WINDOW, StepGuard


def guard_after(losses):
    guard = StepGuard()
    for loss in losses:
        guard.count(taken=True, loss=loss)
    return guard


def test_nothing_is_a_spike_before_there_is_a_median():
    assert guard_after([1.0] * (FEWEST - 1)).is_usable(1e9)
    assert not guard_after([1.0] * FEWEST).is_usable(10.1)


@pytest.mark.parametrize(("loss", "usable"), [(9.9, True), (10.1, False), (math.inf, False), (math.nan, False)])
def test_a_spike_is_ten_times_the_median(loss, usable):
    assert guard_after([1.0] * 30).is_usable(loss) is usable


@pytest.mark.parametrize("loss", [math.inf, -math.inf, math.nan])
def test_a_loss_that_is_not_finite_is_never_usable(loss):
    assert not StepGuard().is_usable(loss)
    assert not guard_after([-1.0] * 30).is_usable(loss)


def test_the_median_follows_the_last_losses_only():
    guard = guard_after([100.0] * 50 + [1.0] * WINDOW)
    assert not guard.is_usable(11.0)
    assert guard.mean_loss == 1


def test_a_loss_that_crosses_zero_has_no_spikes():
    assert guard_after([-1.0] * 30).is_usable(100.0)


def test_skipped_steps_are_counted_in_a_row_only():
    guard = guard_after([1.0])
    for skipped in range(MAX_SKIPPED - 1):
        guard.count(taken=False, loss=math.nan)
        assert not guard.is_calm, skipped
    guard.count(taken=True, loss=1.0)
    assert guard.is_calm
    for skipped in range(MAX_SKIPPED):
        assert not guard.is_exhausted, skipped
        guard.count(taken=False, loss=50.0)
    assert guard.is_exhausted
    assert guard.mean_loss == 1


def test_there_is_no_mean_before_the_first_loss():
    assert math.isnan(StepGuard().mean_loss)


def test_the_state_carries_everything_over():
    guard = guard_after([0.1 * i for i in range(1, 41)])
    guard.count(taken=False, loss=9.0)
    copy = StepGuard()
    copy.restore(guard.state())
    assert copy.state().equal(guard.state())
    assert [copy.is_usable(loss) for loss in (20.0, 21.0)] == [guard.is_usable(loss) for loss in (20.0, 21.0)]
    for _ in range(MAX_SKIPPED - 1):
        copy.count(taken=False, loss=9.0)
    assert copy.is_exhausted
