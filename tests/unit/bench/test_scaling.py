from dataclasses import replace

import pytest
import torch
from small_models import small_transformer

from linearsr.bench import scaling
from linearsr.bench.scaling import (
    Limits,
    Point,
    extrapolate,
    fit_slopes,
    log_log_slope,
    measure_scaling,
    render_scaling,
)


def points(attention, exponent, sides=(512, 1024, 2048), unit=1e-3):
    return [
        Point(
            attention=attention, side=side, tokens=n, seconds=unit * n**exponent, memory=1000 * n, macs=int(n**exponent)
        )
        for side in sides
        if (n := (side // 32) ** 2)
    ]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.37, 2.0])
def test_the_slope_of_a_power_is_its_exponent(exponent):
    x = [256, 1024, 4096, 65_536]
    assert log_log_slope(x, [3.7 * n**exponent for n in x]) == pytest.approx(exponent)


def test_slopes_of_known_growth():
    linear, softmax = fit_slopes(points("linear", 1.0) + points("softmax", 2.0, sides=(512, 1024)))
    assert (linear.attention, linear.largest, softmax.largest) == ("linear", 2048, 1024)
    assert linear.seconds == pytest.approx(1)
    assert softmax.seconds == pytest.approx(2)
    assert softmax.memory == pytest.approx(1)


def test_one_point_has_no_slope():
    (slope,) = fit_slopes(points("linear", 1.0, sides=(512,)))
    assert slope.seconds is None
    assert slope.memory is None


def test_what_comes_next_follows_the_last_two_points():
    assert extrapolate(points("softmax", 2.0), "seconds", 16_384) == pytest.approx(1e-3 * 16_384**2)
    assert extrapolate(points("linear", 1.0), "seconds", 16_384) == pytest.approx(1e-3 * 16_384)


def test_times_of_a_busy_machine_do_not_mislead():
    quiet, busy = points("linear", 1.0, sides=(512, 1024))
    busy = replace(busy, seconds=10 * busy.seconds)
    assert extrapolate([quiet, busy], "seconds", 4 * busy.tokens) == pytest.approx(4 * busy.seconds)


def test_from_one_point_the_worst_is_expected():
    (only,) = points("linear", 1.0, sides=(512,))
    assert extrapolate([only], "seconds", 1024) == pytest.approx(16 * only.seconds)
    assert extrapolate([Point(attention="linear", side=512, tokens=256)], "memory", 1024) is None


def run(monkeypatch, limits, sides=(64, 128, 256), **growth):
    """Points of a run in which a model of ``growth`` exponents takes 1 ms and 1 kB for a single token."""

    def measure(name, evaluation, side, repeats):
        n = (side // 32) ** 2
        memory = 1000 * n ** growth["memory"] if "memory" in growth else None
        cost = n ** growth[name.split()[0]]
        return Point(attention=name, side=side, tokens=n, seconds=1e-3 * cost, memory=memory, macs=1000 * cost)

    monkeypatch.setattr(scaling, "_measure", measure)
    return list(measure_scaling(small_transformer(), sides=sides, repeats=1, limits=limits))


def test_a_model_stops_at_the_time_limit_and_says_so(monkeypatch):
    found = run(monkeypatch, Limits(seconds=1.0), sides=(256, 64, 128, 512), linear=1, softmax=2)
    assert [p.side for p in found] == [side for side in (64, 128, 256, 512) for _ in range(3)]
    assert [(p.attention, p.side) for p in found if p.skipped] == [("softmax", 256), ("softmax", 512)]
    assert [p.skipped for p in found if p.skipped] == ["about 4 s expected, limit 1 s", "stopped at 256 px"]


def test_a_model_stops_at_the_memory_limit_and_says_so(monkeypatch):
    found = run(monkeypatch, Limits(memory=50_000), linear=1, softmax=1, memory=2)
    assert [p.skipped for p in found[:3]] == [""] * 3
    assert "GB expected, limit 0 GB" in found[3].skipped


def test_without_measured_memory_only_time_limits(monkeypatch):
    assert not any(p.skipped for p in run(monkeypatch, Limits(memory=1), linear=1, softmax=1))


def test_running_out_of_memory_is_a_result(monkeypatch):
    def fail(work):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(scaling, "count_macs", fail)
    found = list(measure_scaling(small_transformer(), sides=(64, 128), repeats=1, limits=Limits()))
    assert [p.skipped for p in found] == ["out of memory"] * 3 + ["stopped at 64 px"] * 3
    assert len(found) == 6


def test_other_errors_are_not_hidden(monkeypatch):
    def fail(work):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(scaling, "count_macs", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        list(measure_scaling(small_transformer(), sides=(64,), repeats=1, limits=Limits()))


def test_real_models_are_timed_and_counted():
    found = list(measure_scaling(small_transformer(), sides=(64, 128, 256), repeats=1, limits=Limits()))
    slopes = {slope.attention: slope for slope in fit_slopes(found)}
    assert slopes["linear"].macs < slopes["softmax"].macs
    assert slopes["linear in strips"].macs == pytest.approx(slopes["linear"].macs, abs=0.01)
    assert all(p.seconds > 0 and p.macs > 0 for p in found)


def test_the_table_states_slopes_and_what_was_not_run(machine):
    rows = [
        *points("linear", 1.0),
        Point(attention="softmax", side=512, tokens=256, skipped="about 9 s expected, limit 8 s"),
    ]
    text = render_scaling(rows, machine)
    assert "- linear, up to 2048 px: time ~ N^1.00, memory ~ N^1.00, MAC ~ N^1.00" in text
    assert "- softmax, up to 0 px: time ~ N^?, memory ~ N^?, MAC ~ N^?" in text
    assert "- not run: softmax at 512 px, about 9 s expected, limit 8 s" in text
    assert "| 512x512   |   softmax |    256 | not run |" in text
    assert "0.0 %" in text
