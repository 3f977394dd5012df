import json
from dataclasses import replace
from functools import partial

import pytest
from small_models import small_pipeline

from linearsr.ablation.frame import NO_TRAINING, Ablation, Variant, every_nth, run_ablation
from linearsr.ablation.subject import Subject
from linearsr.errors import ConfigError, DataError, InputError
from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.outputs import STAMP

METRICS = choose_metrics(["psnr"], weights=None)


def ablation(pipeline, *steps):
    variants = [
        Variant(name=f"of {n}", budget=NO_TRAINING, prepare=partial(Subject, pipeline=pipeline, steps=n, note=f"n={n}"))
        for n in steps
    ]
    return Ablation(kind="small", question="How many?", variants=variants, baseline=f"of {steps[0]}")


def test_every_variant_is_measured_on_the_same_pairs_and_tested(pipeline, pairs, tmp_path):
    seen = []
    findings = run_ablation(
        ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path / "out", on_image=lambda *a: seen.append(a)
    )
    assert [(row.name, row.note) for row in findings.rows] == [("of 1", "n=1"), ("of 2", "n=2")]
    assert [list(method.images) for method in findings.results.methods] == [["0", "1", "2"]] * 2
    assert [(test.metric, test.method, test.baseline) for test in findings.results.tests] == [
        ("psnr", "of 2", "of 1"),
        ("latent_error", "of 2", "of 1"),
    ]
    assert len(list((tmp_path / "out").glob("of-*/*.png"))) == 6
    assert ("of-2 1", 2, 3) in seen


def test_pictures_are_made_once(pipeline, pairs, tmp_path):
    first = run_ablation(ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("of-*/*")}
    second = run_ablation(ablation(pipeline, 1, 2), every_nth(pairs, 2), METRICS, outputs=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("of-*/*")} == times
    assert second.results.methods[0].images["2"] == first.results.methods[0].images["2"]


def test_an_interrupted_variant_is_made_again(pipeline, pairs, tmp_path):
    run_ablation(ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path)
    (tmp_path / "of-2" / STAMP).unlink()
    (tmp_path / "of-2/0.png").write_bytes(b"half a picture")
    run_ablation(ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path)
    assert (tmp_path / "of-2/0.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "of-2" / STAMP).read_text())["latent_errors"].keys() == {"0", "1", "2"}


def test_more_pairs_than_last_time_are_made(pipeline, pairs, tmp_path):
    run_ablation(ablation(pipeline, 1, 2), every_nth(pairs, 2), METRICS, outputs=tmp_path)
    findings = run_ablation(ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path)
    assert len(findings.results.methods[0].images) == 3


def test_pictures_of_another_model_are_not_taken_for_this_ones(pipeline, pairs, tmp_path):
    run_ablation(ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path)
    with pytest.raises(DataError, match="of another model or seed"):
        run_ablation(ablation(small_pipeline(seed=1), 1, 2), pairs, METRICS, outputs=tmp_path)
    with pytest.raises(DataError, match="of another model or seed"):
        run_ablation(ablation(pipeline, 1, 2), pairs, METRICS, outputs=tmp_path, seed=1)


def test_a_baseline_that_is_no_variant_is_noticed_before_any_work(pipeline, pairs, tmp_path):
    with pytest.raises(ConfigError, match="nothing to test against 'none'"):
        run_ablation(replace(ablation(pipeline, 1, 2), baseline="none"), pairs, METRICS, outputs=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_of_so_many_pairs_is_chosen_by_name(pairs):
    assert list(every_nth(pairs, 2).references) == ["0", "2"]
    assert every_nth(pairs, 2).inputs.keys() == {"0", "2"}


def test_a_set_without_references_is_refused(pairs):
    with pytest.raises(InputError, match="no references"):
        every_nth(replace(pairs, references={}), 1)
