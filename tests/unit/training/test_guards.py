import pytest

from linearsr.errors import TrainingError
from linearsr.training.guards import FEWEST, WINDOW, StepGuard


def guard_after(losses):
    guard = StepGuard("stage")
    for step, loss in enumerate(losses):
        guard.count(taken=True, loss=loss, step=step)
    return guard


def test_nothing_is_a_spike_before_there_is_a_median():
    assert not guard_after([1.0] * (FEWEST - 1)).is_spike(1e9)
    assert guard_after([1.0] * FEWEST).is_spike(10.1)


@pytest.mark.parametrize(("loss", "spike"), [(9.9, False), (10.1, True), (float("inf"), True), (float("nan"), False)])
def test_a_spike_is_ten_times_the_median(loss, spike):
    assert guard_after([1.0] * 30).is_spike(loss) is spike


def test_the_median_follows_the_last_losses_only():
    guard = guard_after([100.0] * 50 + [1.0] * WINDOW)
    assert guard.is_spike(11.0)


def test_a_loss_that_crosses_zero_has_no_spikes():
    assert not guard_after([-1.0] * 30).is_spike(100.0)


def test_skipped_steps_are_counted_in_a_row_only():
    guard = guard_after([1.0])
    for _ in range(2):
        guard.count(taken=False, loss=float("nan"), step=1)
    guard.count(taken=True, loss=1.0, step=2)
    for _ in range(2):
        guard.count(taken=False, loss=50.0, step=3)
    with pytest.raises(TrainingError, match=r"up to step 9 of stage .*last loss 50"):
        guard.count(taken=False, loss=50.0, step=9)


def test_the_state_carries_everything_over():
    guard = guard_after([0.1 * i for i in range(1, 41)])
    guard.count(taken=False, loss=9.0, step=41)
    copy = StepGuard("stage")
    copy.restore(guard.state())
    assert copy.state().equal(guard.state())
    assert [copy.is_spike(loss) for loss in (20.0, 21.0)] == [guard.is_spike(loss) for loss in (20.0, 21.0)]
    copy.count(taken=False, loss=9.0, step=42)
    with pytest.raises(TrainingError):
        copy.count(taken=False, loss=9.0, step=43)
