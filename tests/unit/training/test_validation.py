from __future__ import annotations

import json
import math

import PIL.Image
import pytest
import torch
from small_models import alexnet_weights, seeded, small_autoencoder, small_transformer

from linearsr.errors import DataError, TrainingError
from linearsr.models.experts import BOUNDARIES
from linearsr.models.perceptual import LPIPS
from linearsr.training.features import FEATURES
from linearsr.training.validation import (
    CURVES_NAME,
    Measurement,
    ValidationSet,
    at_every_t,
    find_run_knee,
    load_snapshot,
    read_curves,
    record_validation,
    snapshot_path,
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
    first, again = (fixed.measure(velocity, autoencoder, BOUNDARIES) for _ in range(2))
    assert first == again
    assert first.values.keys() == {"psnr", "lpips"}
    assert fixed.measure(at_every_t(small_transformer(1)), autoencoder, BOUNDARIES) != first
    assert all(parameter.grad is None for parameter in transformer.parameters())


def test_score_tells_a_good_output_from_a_bad_one(fixed):
    transformer, good, bad = small_transformer(), small_autoencoder(), small_autoencoder()
    for model, bias in ((good, 0.0), (bad, 0.5)):
        torch.nn.init.zeros_(model.decoder.tail[-1].weight)
        torch.nn.init.constant_(model.decoder.tail[-1].bias, bias)
    good, bad = (fixed.measure(at_every_t(transformer), model, BOUNDARIES).values for model in (good, bad))
    assert good["psnr"] > bad["psnr"] + 3
    assert 10 < good["psnr"] < 45


def test_output_is_sampled_with_one_step_for_each_expert(fixed):
    seen = []

    def velocity(z, t, lr):
        seen.append(t)
        return torch.zeros_like(z)

    fixed.measure(velocity, small_autoencoder(), (0.6, 0.2))
    assert len(seen) == 4
    assert {1.0, 0.6, 0.2} <= set(seen)


def test_watched_features_are_measured_along_with_the_quality(fixed):
    transformer, autoencoder = small_transformer(), small_autoencoder()
    velocity = at_every_t(transformer)
    plain = fixed.measure(velocity, autoencoder, BOUNDARIES)
    watched = fixed.measure(velocity, autoencoder, BOUNDARIES, watched=transformer)
    assert watched.values.keys() == {"psnr", "lpips", *FEATURES}
    assert {name: watched.values[name] for name in plain.values} == plain.values


def test_picture_is_kept_beside_the_weights(tmp_path, fixed):
    measured = fixed.measure(at_every_t(small_transformer()), small_autoencoder(), BOUNDARIES)
    record_validation(tmp_path, 35, measured, {"weight": torch.zeros(1)})
    with PIL.Image.open(tmp_path / "samples/00000035.png") as picture:
        assert picture.size == (3 * 64, 2 * 64)


def test_changed_weights_are_refused_by_their_digest(tmp_path):
    record_validation(tmp_path, 5, Measurement({"psnr": 1.0}), {"weight": torch.zeros(1)})
    path = snapshot_path(tmp_path, 5)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(TrainingError, match="does not match its SHA-256"):
        load_snapshot(tmp_path, 5)


def test_diagnostics_do_not_take_part_in_the_knee(tmp_path):
    records = curve(oscillating())
    for index, record in enumerate(records):
        record |= {"loss": 1 / (index + 1), **dict.fromkeys(FEATURES, float("nan"))}
    write(tmp_path, records)
    knee, step = find_run_knee(tmp_path)
    assert knee.index == pytest.approx(11, abs=1)
    assert step == 10 * (knee.index + 1)


def test_weights_and_values_of_a_step_are_kept(tmp_path):
    for step in (10, 20):
        measured = Measurement({"psnr": float(step)})
        record_validation(tmp_path, step, measured, {"weight": torch.full((2,), float(step))})
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
