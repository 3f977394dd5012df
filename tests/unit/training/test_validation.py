from __future__ import annotations

import json
import math

import pytest
import torch
from small_models import alexnet_weights, seeded, small_autoencoder, small_transformer

from linearsr.errors import DataError
from linearsr.models.perceptual import LPIPS
from linearsr.training.validation import (
    CURVES_NAME,
    ValidationSet,
    at_every_t,
    find_run_knee,
    load_snapshot,
    read_curves,
    record_validation,
)


@pytest.fixture
def fixed(pool):
    return ValidationSet.from_pool(pool, seeded(0, lambda: LPIPS(alexnet_weights())), size=2, lr_side=16)


def write(run, records):
    (run / CURVES_NAME).write_text("".join(json.dumps(record) + "\n" for record in records))


def curve(values):
    return [{"step": 10 * (index + 1), "psnr": value} for index, value in enumerate(values)]


def oscillating(calm=12, rough=12):
    rising = [20 + 5 * (1 - math.exp(-index / 3)) for index in range(calm)]
    return rising + [rising[-1] + (-1.5 if index % 2 else -0.5) for index in range(rough)]


def test_score_is_a_pure_function_of_the_weights_and_leaves_no_gradient(fixed):
    transformer, autoencoder = small_transformer(), small_autoencoder()
    velocity = at_every_t(transformer)
    first, again = (fixed.score(velocity, autoencoder) for _ in range(2))
    assert first == again
    assert first.keys() == {"psnr", "lpips"}
    assert fixed.score(at_every_t(small_transformer(1)), autoencoder) != first
    assert all(parameter.grad is None for parameter in transformer.parameters())


def test_score_tells_a_good_output_from_a_bad_one(fixed):
    transformer, good, bad = small_transformer(), small_autoencoder(), small_autoencoder()
    for model, bias in ((good, 0.0), (bad, 0.5)):
        torch.nn.init.zeros_(model.decoder.tail[-1].weight)
        torch.nn.init.constant_(model.decoder.tail[-1].bias, bias)
    good, bad = (fixed.score(at_every_t(transformer), model) for model in (good, bad))
    assert good["psnr"] > bad["psnr"] + 3
    assert 10 < good["psnr"] < 45


def test_weights_and_values_of_a_step_are_kept(tmp_path):
    for step in (10, 20):
        record_validation(tmp_path, step, {"psnr": float(step)}, {"weight": torch.full((2,), float(step))})
    assert read_curves(tmp_path) == {"step": [10, 20], "psnr": [10, 20]}
    assert torch.equal(load_snapshot(tmp_path, 10)["weight"], torch.tensor([10.0, 10.0]))


def test_steps_repeated_after_a_resume_count_once_in_order(tmp_path):
    write(tmp_path, [*curve([1.0, 2.0, 3.0]), {"step": 20, "psnr": 2.5}])
    assert read_curves(tmp_path) == {"step": [10, 20, 30], "psnr": [1, 2.5, 3]}


@pytest.mark.parametrize("content", [None, ""])
def test_run_without_validation_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / CURVES_NAME).write_text(content)
    with pytest.raises(DataError, match=CURVES_NAME):
        read_curves(tmp_path)


def test_next_stage_starts_from_the_knee(tmp_path):
    write(tmp_path, curve(oscillating()))
    knee, step = find_run_knee(tmp_path)
    assert knee.index == pytest.approx(11, abs=1)
    assert step == 10 * (knee.index + 1)


def test_without_a_knee_the_next_stage_starts_from_the_end(tmp_path):
    write(tmp_path, curve(oscillating(calm=24, rough=0)))
    knee, step = find_run_knee(tmp_path)
    assert (knee.index, step) == (None, 240)


def test_a_diverged_step_ends_the_curve(tmp_path):
    values = [*oscillating(calm=12, rough=0), float("nan"), 30.0]
    write(tmp_path, curve(values))
    assert find_run_knee(tmp_path)[1] == 120
    write(tmp_path, curve([float("nan"), 20.0]))
    with pytest.raises(DataError, match="no finite validation"):
        find_run_knee(tmp_path)
