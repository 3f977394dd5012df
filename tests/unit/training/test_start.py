from __future__ import annotations

import json

import pytest

from linearsr.errors import DataError, InputError, TrainingError
from linearsr.training.start import choose_start, remembered_start

KNEE = 12


@pytest.fixture
def flow(tmp_path):
    """A validated stage whose curve rises for 12 samples and then oscillates."""
    folder = tmp_path / "flow"
    folder.mkdir()
    values = [20 + 4 * (1 - 0.7**step) if step <= KNEE else 22 + (-1) ** step for step in range(1, 25)]
    lines = [json.dumps({"step": 10 * step, "psnr": value}) for step, value in enumerate(values, 1)]
    (folder / "validation.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_the_knee_is_the_default(flow):
    start = choose_start(flow)
    assert start.step == 10 * KNEE
    assert start.reason.startswith("the knee: oscillation begins")
    assert start.warning is None


@pytest.mark.parametrize(
    ("wanted", "step", "side"), [("latest", 240, "past"), ("200", 200, "past"), ("50", 50, "before")]
)
def test_another_start_is_warned_about(flow, wanted, step, side):
    start = choose_start(flow, wanted)
    assert start.step == step
    assert f"step {step} lies {side} the knee at step 120" in start.warning


def test_naming_the_knee_itself_is_no_reason_to_warn(flow):
    assert choose_start(flow, "120").warning is None


@pytest.mark.parametrize("wanted", ["125", "kne", "-10"])
def test_what_is_no_validated_step_is_named(flow, wanted):
    with pytest.raises(InputError, match=f"no validated step {wanted}, only 10, 20"):
        choose_start(flow, wanted)


def test_a_stage_without_validation_has_no_start(tmp_path):
    with pytest.raises(DataError):
        choose_start(tmp_path)


def test_a_start_is_kept_when_the_stage_before_goes_on(flow, tmp_path):
    first = remembered_start(flow, tmp_path / "experts", "knee")
    with (flow / "validation.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": 250, "psnr": 40.0}) + "\n")
    assert choose_start(flow).step != first.step
    assert remembered_start(flow, tmp_path / "experts", "knee") == first
    assert remembered_start(flow, tmp_path / "experts", str(first.step)) == first
    with pytest.raises(TrainingError, match="was started from step 120, not from latest"):
        remembered_start(flow, tmp_path / "experts", "latest")
