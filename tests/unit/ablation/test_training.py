"""Short runs through the real stages, on networks and photos that make them take seconds."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from small_models import small_pipeline
from training_photos import write_shards

from linearsr.ablation.training import (
    BUDGET_NAME,
    Budget,
    Trial,
    ablate_attention,
    ablate_esgf,
    ablate_experts,
)
from linearsr.errors import ConfigError, DataError, InputError
from linearsr.models.softmax_twin import SoftmaxAttention
from linearsr.training.presets import ci
from linearsr.training.validation import load_snapshot
from linearsr.training.workspace import Workspace

BUDGET = Budget(start=20, steps=4, batch=2, crops=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder that the tests share, as the kinds of ablation do."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trial(run, perceptual, tmp_path_factory):
    photos = write_shards(tmp_path_factory.mktemp("shards") / "photos")
    pipeline = small_pipeline()
    recipe = BUDGET.applied_to(replace(ci(), transformer_model=pipeline.experts.transformer_config))
    work = Workspace(run=run, photos=photos, perceptual=perceptual, recipe=recipe, tell=lambda line: None)
    return Trial(work=work, budget=BUDGET, autoencoder=pipeline.autoencoder)


def steps_of(run, folder):
    lines = (run / folder / "metrics.jsonl").read_text().splitlines()
    return json.loads(lines[-1])["step"] + 1


def plant_knee(run, knee):
    """Rewrite the validation curve of the common start so that it oscillates after sample ``knee``."""
    path = run / "flow/validation.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for index, record in enumerate(records):
        psnr = 20 + 4 * (1 - 0.6**index) if index <= knee else 22 + (-1) ** index
        record |= {"psnr": psnr, "lpips": (30 - psnr) / 20}
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return records[knee]["step"]


@pytest.mark.parametrize("changes", [{"steps": 6}, {"steps": 0}, {"start": 0}, {"batch": 0}, {"crops": -1}])
def test_a_budget_that_cannot_be_shared_is_refused(changes):
    (name, value) = next(iter(changes.items()))
    with pytest.raises(ConfigError, match=f"{name}={value}"):
        Budget(**changes)


def test_a_budget_shortens_the_stages_and_nothing_else():
    recipe = Budget(start=100, steps=8, batch=3, crops=5).applied_to(ci())
    assert (recipe.flow.steps, recipe.flow.batch, recipe.flow.seed) == (100, 3, ci().flow.seed)
    assert recipe.flow.learning_rate == ci().flow.learning_rate
    assert (recipe.validation.crops, recipe.validation.flow_every) == (5, 5)


def test_a_run_folder_belongs_to_one_budget(trial, tmp_path):
    mine = replace(trial, work=replace(trial.work, run=tmp_path))
    mine.check()
    mine.check()
    with pytest.raises(DataError, match=BUDGET_NAME):
        replace(mine, budget=replace(BUDGET, start=40)).check()


def test_every_split_sees_as_many_steps_in_all(trial, run):
    subjects = [variant.prepare() for variant in ablate_experts(trial).variants]
    assert [len(subject.pipeline.experts.experts) for subject in subjects] == [1, 2, 4, 4, 4]
    assert steps_of(run, "experts-1/expert1") == 4
    assert [steps_of(run, f"experts-2/expert{i}") for i in (1, 2)] == [2, 2]
    assert [steps_of(run, f"experts-4-uniform/expert{i}") for i in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_without_an_expert_stage_all_experts_are_the_start(trial, run):
    untrained = ablate_experts(trial).variants[-1].prepare().pipeline.experts
    start = load_snapshot(run / "flow", 20)
    for expert in untrained.experts:
        assert all(torch.equal(value, start[name]) for name, value in expert.state_dict().items())


def test_without_a_knee_the_latest_step_is_the_same_run(trial, run):
    knee, latest, _ = (variant.prepare() for variant in ablate_esgf(trial).variants)
    assert knee.fingerprint(0) == latest.fingerprint(0)
    assert "from step 20, the last validated step: no knee yet" in knee.note
    assert latest.note == "from step 20, the latest step"
    assert not (run / "experts-naive").exists()


def test_a_step_chosen_by_hand_takes_the_place_of_the_knee(trial, run):
    ablation = ablate_esgf(trial, 8)
    assert [variant.name for variant in ablation.variants] == ["from step 8", "from the latest step", "no expert stage"]
    assert [variant.budget for variant in ablation.variants] == ["8 + 4 steps", "20 + 4 steps", "8 steps"]
    assert ablation.baseline == "from step 8"
    chosen, latest, start = (variant.prepare() for variant in ablation.variants)
    assert chosen.note == "from step 8, chosen by hand"
    assert latest.note == "from step 20, the latest step"
    assert json.loads((run / "experts-from-8/start.json").read_text())["step"] == 8
    weights = load_snapshot(run / "flow", 8)
    assert torch.equal(start.pipeline.experts.expert_at(0.5).patch_in.weight, weights["patch_in.weight"])
    assert len({subject.fingerprint(0) for subject in (chosen, latest, start)}) == 3


def test_a_step_that_was_not_validated_is_refused(trial):
    with pytest.raises(InputError, match="no validated step 21"):
        ablate_esgf(trial, 21).variants[0].prepare()


def test_both_attentions_start_equal_and_learn_the_same_pairs(trial):
    linear, softmax = (variant.prepare() for variant in ablate_attention(trial).variants)
    kinds = [type(subject.pipeline.experts.expert_at(0.5).blocks[0].attention) for subject in (linear, softmax)]
    assert kinds[1] is SoftmaxAttention
    assert kinds[0] is not SoftmaxAttention
    assert linear.fingerprint(0) != softmax.fingerprint(0)
    values = [subject.pipeline.experts.expert_at(0.5).patch_in.weight.detach().clone() for subject in (linear, softmax)]
    assert torch.nn.functional.cosine_similarity(*(value.flatten() for value in values), dim=0) > 0.9


def test_what_is_finished_is_not_trained_again(trial, run):
    trial.experts("1")
    written = {path: path.stat().st_mtime_ns for path in run.rglob("metrics.jsonl")}
    for ablate in (ablate_esgf, ablate_experts, ablate_attention):
        for variant in ablate(trial).variants:
            variant.prepare()
    after = {path: path.stat().st_mtime_ns for path in written}
    assert after == written


def test_past_a_knee_the_latest_step_is_trained_apart(trial, run, tmp_path):
    shutil.copytree(run / "flow", tmp_path / "flow")
    step = plant_knee(tmp_path, 10)
    mine = replace(trial, work=replace(trial.work, run=tmp_path))
    knee, latest, start = (variant.prepare() for variant in ablate_esgf(mine).variants)
    assert knee.note.startswith(f"from step {step}, the knee")
    assert latest.note == "from step 20, the latest step"
    assert len({subject.fingerprint(0) for subject in (knee, latest, start)}) == 3
    assert (tmp_path / "experts-naive/start.json").exists()
