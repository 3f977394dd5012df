"""``linearsr train``: every stage by its command, what it says, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_photos import write_shards

from linearsr.cli.main import run as linearsr
from linearsr.models import judging
from linearsr.training.cleaning import CleaningPool
from linearsr.training.finished import DENOISER_STAGES

PIPELINE_STAGES = ("autoencoder", "flow", "experts", "polish", "sft", "fidelity", "detail", "distill")
STAGES = (*PIPELINE_STAGES, "denoise", "polish-denoiser", "cleaned")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards") / "photos")


@pytest.fixture(scope="module")
def train(photos, perceptual):
    """Run a stage of the ci preset with a few steps, validated after every fifth; returns the exit status."""

    def call(stage, run, *options, steps=5):
        shared = ("--run", run, "--photos", photos, "--perceptual", perceptual, "--preset", "ci")
        here = ("--device", "cpu", "--precision", "fp32")
        return linearsr(["train", stage, *map(str, (*shared, *here)), "--steps", str(steps), *map(str, options)])

    return call


@pytest.fixture(scope="module")
def finished(train, tmp_path_factory):
    """A run with all stages done."""
    run = tmp_path_factory.mktemp("run")
    assert [train(stage, run, "--quiet") for stage in STAGES] == [0] * len(STAGES)
    return run


@pytest.fixture
def after_flow(finished, tmp_path):
    """A run that is ready for its experts."""
    shutil.copytree(finished / "flow", tmp_path / "flow")
    return tmp_path


def test_every_stage_has_its_folder_and_export_writes_a_model_that_upscales(finished, tmp_path):
    folders = {path.name for path in finished.iterdir() if path.is_dir()}
    assert folders == {"base", *STAGES, "meter", "judge"}
    assert {path.name for path in (finished / "experts").iterdir() if path.is_dir()} == {f"expert{i}" for i in "1234"}
    assert linearsr(["train", "export", "--run", str(finished), "-o", str(tmp_path / "model"), "--name", "mine"]) == 0
    assert json.loads((tmp_path / "model/model_index.json").read_text())["name"] == "mine"
    picture = Path(__file__).parents[2] / "examples/chelsea.png"
    arguments = [
        "upscale",
        str(picture),
        "-o",
        str(tmp_path / "x.png"),
        "-n",
        str(tmp_path / "model"),
        "--max-side",
        "64",
    ]
    assert linearsr(arguments) == 0


@pytest.mark.parametrize("stage", ["experts", "polish", "sft", "detail", "distill"])
def test_export_takes_the_stage_it_is_told(finished, tmp_path, stage):
    options = ["--run", str(finished), "-o", str(tmp_path), "--stage", stage, "--compact"]
    assert linearsr(["train", "export", *options]) == 0
    files = json.loads((tmp_path / "model_index.json").read_text())["files"]
    assert files["experts"]["storage"] == "int8"


def test_export_brings_what_stands_beside_the_pipeline_if_it_is_there(finished, tmp_path):
    unfinished = tmp_path / "without"
    shutil.copytree(finished, unfinished, ignore=shutil.ignore_patterns("fidelity", "cleaned", *DENOISER_STAGES))
    always = {"autoencoder", "experts"}
    for run, expected in ((finished, {*always, "faithful", "cleaned", "denoiser"}), (unfinished, always)):
        assert linearsr(["train", "export", "--run", str(run), "-o", str(tmp_path / "model")]) == 0
        assert json.loads((tmp_path / "model/model_index.json").read_text())["files"].keys() == expected


def test_export_refuses_a_stage_without_experts_and_one_that_is_not_there(finished, tmp_path, capsys):
    for stage, message in (("flow", "no experts"), ("nothing", "cannot read"), ("autoencoder", "no experts")):
        assert linearsr(["train", "export", "--run", str(finished), "-o", str(tmp_path), "--stage", stage]) == 1
        assert message in capsys.readouterr().err


def test_experts_start_from_the_step_that_is_said_and_say_why(train, after_flow, capsys):
    assert train("experts", after_flow) == 0
    said = capsys.readouterr().err
    assert "experts starts from step 5 of flow, the last validated step: no knee yet" in said
    assert "expert: 5/5 steps, loss" in said
    assert json.loads((after_flow / "experts/start.json").read_text())["step"] == 5


def plant_knee(run, knee, last):
    """Give a finished flow stage curves that oscillate after ``knee`` steps, and weights for every step."""
    snapshot = (run / "flow/ema-00000005.safetensors").read_bytes()
    lines = []
    for step in range(1, last + 1):
        psnr = 20 + 4 * (1 - 0.7**step) if step <= knee else 22 + (-1) ** step
        lines.append(json.dumps({"step": step, "psnr": psnr, "lpips": (30 - psnr) / 20}))
        (run / f"flow/ema-{step:08d}.safetensors").write_bytes(snapshot)
    (run / "flow/validation.jsonl").write_text("\n".join(lines) + "\n")


def test_start_elsewhere_than_at_the_knee_is_warned_about(train, after_flow, capsys):
    plant_knee(after_flow, 16, 28)
    assert train("experts", after_flow, "--quiet", steps=1) == 0
    said = capsys.readouterr().err
    assert "experts starts from step 16 of flow, the knee: oscillation begins" in said
    assert "warning" not in said
    shutil.rmtree(after_flow / "experts")
    assert train("experts", after_flow, "--from", "latest", "--quiet", steps=1) == 0
    said = capsys.readouterr().err
    assert "starts from step 28 of flow, as told: latest" in said
    assert "warning: step 28 lies past the knee at step 16" in said


def test_the_naive_ablation_lies_beside_the_default(train, after_flow, capsys):
    plant_knee(after_flow, 16, 28)
    assert train("experts", after_flow, "--quiet", steps=1) == 0
    assert train("experts", after_flow, "--ablate", "naive", "--quiet", steps=1) == 0
    assert "experts-naive starts from step 28" in capsys.readouterr().err
    starts = [
        json.loads((after_flow / name / "start.json").read_text())["step"] for name in ("experts", "experts-naive")
    ]
    assert starts == [16, 28]


def test_a_step_that_was_not_validated_is_refused(train, after_flow, capsys):
    assert train("experts", after_flow, "--from", "7") == 1
    assert "no validated step 7, only 5" in capsys.readouterr().err


def test_a_resumed_stage_keeps_its_start(train, after_flow, capsys):
    plant_knee(after_flow, 16, 28)
    assert train("experts", after_flow, "--quiet", steps=1) == 0
    assert train("experts", after_flow, "--from", "28", "--quiet", steps=1) == 1
    assert "was started from step 16, not from 28" in capsys.readouterr().err


@pytest.mark.parametrize(("split", "count"), [("1", 1), ("2", 2), ("4-uniform", 4)])
def test_each_split_has_its_own_folder_and_experts(train, after_flow, split, count):
    assert train("experts", after_flow, "--split", split, "--quiet", steps=1) == 0
    assert len(list((after_flow / f"experts-{split}").glob("expert*/checkpoint.safetensors"))) == count


def test_a_stage_whose_predecessor_is_missing_names_the_command(train, tmp_path, capsys):
    for stage, before in (*zip(STAGES[1:5], STAGES, strict=False), ("detail", "fidelity")):
        assert train(stage, tmp_path) == 1
        assert f"run linearsr train {before} first" in capsys.readouterr().err
    for stage in ("fidelity", "distill"):
        assert train(stage, tmp_path) == 1
        assert "finish it first: linearsr train experts" in capsys.readouterr().err


@pytest.mark.parametrize("stage", PIPELINE_STAGES)
def test_every_stage_can_start_from_a_model(train, finished, tmp_path, stage):
    model = tmp_path / "model"
    linearsr(["train", "export", "--run", str(finished), "-o", str(model)])
    assert train(stage, tmp_path / "run", "--start-from", model, "--quiet", steps=1) == 0
    assert not (tmp_path / "run/base").exists()
    trained = load_file(tmp_path / f"run/{stage}/autoencoder.safetensors")
    given = load_file(model / "autoencoder.safetensors")
    frozen = stage in ("flow", "experts", "distill")
    assert all(trained[name].equal(value) for name, value in given.items()) is frozen


def test_the_denoiser_goes_on_from_a_models_own(train, finished, model, tmp_path, capsys):
    assert train("denoise", tmp_path, "--start-from", model, "--quiet") == 1
    assert f"the model {model} has no denoiser" in capsys.readouterr().err
    whole = tmp_path / "model"
    linearsr(["train", "export", "--run", str(finished), "-o", str(whole)])
    assert train("denoise", tmp_path, "--start-from", whole, "--quiet", "--learning-rate", 1e-12, steps=1) == 0
    trained, given = load_file(tmp_path / "denoise/denoiser.safetensors"), load_file(whole / "denoiser.safetensors")
    assert all(torch.allclose(trained[name], value, atol=1e-6) for name, value in given.items())


def test_of_several_denoisers_the_last_is_exported(train, finished, model, tmp_path, capsys):
    assert train("polish-denoiser", tmp_path, "--start-from", model, "--quiet") == 1
    assert "there is no denoiser to polish" in capsys.readouterr().err
    plain, polished = (load_file(finished / stage / "denoiser.safetensors") for stage in ("denoise", "polish-denoiser"))
    changed = {name.split(".")[0] for name, value in plain.items() if not polished[name].equal(value)}
    assert {"judge", "stem"} <= changed
    assert "meter" not in changed
    for run, last in ((tmp_path / "run", polished), (finished, load_file(finished / "cleaned/denoiser.safetensors"))):
        if run != finished:
            shutil.copytree(finished, run, ignore=shutil.ignore_patterns("cleaned"))
        linearsr(["train", "export", "--run", str(run), "-o", str(tmp_path / "model")])
        exported = load_file(tmp_path / "model/denoiser.safetensors")
        assert all(exported[name].equal(value) for name, value in last.items())


def test_decoders_are_trained_on_what_the_denoiser_leaves(train, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "NOTHING", 0.0)
    monkeypatch.setattr(judging, "share_of", lambda strength, change, detail: torch.ones_like(change))
    with_denoiser, without = tmp_path / "with", tmp_path / "without"
    for run, left_out in ((with_denoiser, ("detail",)), (without, ("detail", *DENOISER_STAGES))):
        shutil.copytree(finished, run, ignore=shutil.ignore_patterns(*left_out))
        assert train("detail", run, "--quiet", steps=4) == 0  # most pairs are made anew as a camera takes them
    first, second = (load_file(run / "detail/autoencoder.safetensors") for run in (with_denoiser, without))
    assert not all(value.equal(second[name]) for name, value in first.items())


def test_the_cleaned_decoder_goes_on_from_the_models_own_and_needs_a_denoiser(train, finished, model, tmp_path, capsys):
    assert train("cleaned", tmp_path, "--start-from", model, "--quiet") == 1
    assert "there is no denoiser to clean photos with" in capsys.readouterr().err
    whole = tmp_path / "model"
    linearsr(["train", "export", "--run", str(finished), "-o", str(whole)])
    assert train("cleaned", tmp_path, "--start-from", whole, "--quiet", "--learning-rate", 1e-12, steps=1) == 0
    trained, given = load_file(tmp_path / "cleaned/autoencoder.safetensors"), load_file(whole / "cleaned.safetensors")
    assert all(torch.allclose(trained[f"decoder.{name}"], value, atol=1e-6) for name, value in given.items())


def test_a_clean_answer_is_learned_from_a_teachers_pictures_where_there_are_any(train, finished, tmp_path):
    runs = tmp_path / "photos", tmp_path / "teacher"
    for run in runs:
        shutil.copytree(finished, run, ignore=shutil.ignore_patterns("cleaned"))
    grey, black = (torch.full((1, 3, side, side), level, dtype=torch.uint8) for side, level in ((16, 128), (64, 0)))
    (runs[1] / "cleaned").mkdir()
    CleaningPool(grey, grey.clone(), black, torch.tensor([9.0])).save(runs[1] / "cleaned/pairs.safetensors")
    assert [train("cleaned", run, "--quiet", steps=1) for run in runs] == [0, 0]
    for name in ("autoencoder", "denoiser"):
        first, second = (load_file(run / f"cleaned/{name}.safetensors") for run in runs)
        assert not all(value.equal(second[key]) for key, value in first.items())


def test_a_model_brings_its_own_experts(train, model, tmp_path, capsys):
    assert train("experts", tmp_path, "--start-from", model, "--split", "2") == 1
    assert "brings its own experts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--accumulate", 2),
        ("--recompute",),
        ("--precision", "bf16"),
        ("--batch", 2, "--learning-rate", 1e-5),
        ("--optimizer", "came"),
        ("--board", "tensorboard"),
        ("--parallelism", "fsdp"),
        ("--live",),
        ("--pool",),
    ],
)
def test_options_reach_the_training(train, finished, tmp_path, options):
    if "came" in options:
        pytest.importorskip("pytorch_optimizer")
    if "tensorboard" in options:
        pytest.importorskip("tensorboard")
    shutil.copytree(finished / "autoencoder", tmp_path / "autoencoder")
    assert train("flow", tmp_path, "--quiet", *options) == 0
    plain, changed = (load_file(run / "flow/transformer.safetensors") for run in (finished, tmp_path))
    same = all(changed[name].equal(value) for name, value in plain.items())
    assert same is bool({"--recompute", "--parallelism", "--board", "--pool"} & set(options))
    assert (tmp_path / "flow/tensorboard").is_dir() is ("tensorboard" in options)


def test_the_last_stage_can_degrade_as_it_goes(train, finished, tmp_path):
    shutil.copytree(finished / "polish", tmp_path / "polish")
    assert train("sft", tmp_path, "--live", "--quiet", steps=1) == 0
    assert not list(tmp_path.glob("pool*"))


def test_compiling_reaches_the_networks(train, finished, tmp_path, monkeypatch):
    from torch import nn

    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    shutil.copytree(finished / "autoencoder", tmp_path / "autoencoder")
    assert train("flow", tmp_path, "--quiet", "--compile", steps=1) == 0
    assert [type(module).__name__ for module in compiled] == ["LinearTransformer"]


def test_photos_without_shards_are_refused(train, perceptual, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments = ["--run", tmp_path / "run", "--photos", tmp_path / "empty", "--perceptual", perceptual]
    assert linearsr(["train", "autoencoder", *map(str, arguments)]) == 1
    assert str(tmp_path / "empty") in capsys.readouterr().err


def test_pictures_of_every_validation_are_kept(finished):
    for folder, count in (("flow", 1), ("experts/expert1", 1), ("polish", 1), ("sft", 1)):
        assert len(list((finished / folder / "samples").glob("*.png"))) == count


@pytest.mark.parametrize("stage", ["flow", "experts"])
def test_a_dry_run_says_what_a_step_takes_and_does_nothing(train, tmp_path, capsys, stage):
    assert train(stage, tmp_path / "run", "--dry-run", "--batch", 64) == 0
    said = capsys.readouterr().out
    assert "344,060 parameters, batches of 64 crops to 64 x 64 pixels" in said
    rows = [line.split() for line in said.splitlines() if line.split()[1:2] in (["ddp"], ["fsdp"])]
    assert [row[:3] for row in rows] == [
        [str(gpus), mode, again]
        for gpus, mode in ((1, "ddp"), (8, "ddp"), (8, "fsdp"), (64, "ddp"), (64, "fsdp"))
        for again in ("no", "yes")
    ]
    assert "Assumed: GPUs of 80 GB, 10% of it spare; 312 TFLOP/s at best, of which 40% are reached" in said
    assert not (tmp_path / "run").exists()


def test_a_batch_that_cannot_be_split_is_said_in_its_row(train, tmp_path, capsys):
    assert train("flow", tmp_path / "run", "--dry-run", "--batch", 4) == 0
    assert "64  fsdp       yes a batch of 4 cannot be split so that it fits" in capsys.readouterr().out


@pytest.mark.parametrize("stage", ["autoencoder", "flow"])
def test_presets_of_the_papers_scale_need_weights_to_start_from(photos, perceptual, tmp_path, capsys, stage):
    shared = ("--run", tmp_path / "run", "--photos", photos, "--perceptual", perceptual, "--device", "cpu")
    assert linearsr(["train", stage, *map(str, shared), "--preset", "sana-600m"]) == 1
    assert "this preset trains from published weights; make a model of them" in capsys.readouterr().err
