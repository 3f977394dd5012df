"""``linearsr ablate``: every kind by its command, what it writes, and what it refuses."""

import json

import PIL.Image
import pytest
from small_models import photo
from training_photos import write_shards

from linearsr.cli.main import run

SAMPLING, TRAINING = ("steps", "fidelity", "decoder"), ("esgf", "experts", "attention")


@pytest.fixture(scope="module")
def desk(tmp_path_factory, perceptual):
    """A folder with pairs ``mine``, photos and weights, in which all kinds share their runs."""
    folder = tmp_path_factory.mktemp("desk")
    for side, size in (("lr", (24, 18)), ("hr", (96, 72))):
        (folder / "mine" / side).mkdir(parents=True)
        for seed in range(3):
            PIL.Image.fromarray(photo(72, 96, seed)).resize(size).save(folder / f"mine/{side}/{seed}.png")
    write_shards(folder / "photos")
    (folder / "weights").symlink_to(perceptual)
    return folder


@pytest.fixture
def ablate(desk, model, monkeypatch):
    """Run a kind in the desk, with steps and crops that take seconds; returns the exit status."""
    monkeypatch.chdir(desk)

    def call(kind, *options):
        shared = ["--root", "mine", "-n", str(model), "--device", "cpu"]
        short = ["--photos", "photos", "--preset", "ci", "--start-steps", "20", "--steps", "4"]
        short += ["--batch", "2", "--crops", "1", "--weights", "weights"]
        return run(["ablate", kind, *shared, *(short if kind in TRAINING else ()), *options])

    return call


@pytest.mark.parametrize("kind", SAMPLING + TRAINING)
def test_every_kind_writes_table_values_and_plot(ablate, desk, kind, capsys):
    assert ablate(kind, "--report", "report", "--quiet") == 0, capsys.readouterr().err
    assert capsys.readouterr().out == ""
    values = json.loads((desk / f"report/{kind}.json").read_text())
    text = (desk / f"report/{kind}.md").read_text()
    assert values["ablation"] == kind
    assert values["command"].startswith(f"linearsr ablate {kind} --root mine")
    assert text.startswith(f"# {values['question']}\n")
    for variant in values["variants"]:
        assert f"| {variant['name']} | " in text
        assert set(values["images"][variant["name"]]) == {"0", "1", "2"}
    assert (desk / f"report/{kind}.svg").read_bytes().startswith(b"<?xml")


def test_without_a_report_folder_the_table_is_printed_with_progress(ablate, desk, capsys):
    assert ablate("steps", "--every", "2", "--metrics", "psnr,gmsd", "--work", "other", "--seed", "7") == 0
    captured = capsys.readouterr()
    assert "| variant | training | psnr ↑ | gmsd ↓ | latent_error ↓ |" in captured.out
    assert "2/2 20-steps 2" in captured.err
    assert {path.name for path in (desk / "other/outputs/steps/1-step").glob("*.png")} == {"0.png", "2.png"}


def test_a_report_is_not_replaced_unasked(ablate, desk, capsys):
    (desk / "old").mkdir(exist_ok=True)
    (desk / "old/steps.md").write_text("mine")
    assert ablate("steps", "--report", "old", "--quiet") == 1
    assert "old/steps.md exists already" in capsys.readouterr().err
    assert ablate("steps", "--report", "old", "--quiet", "--overwrite") == 0
    assert (desk / "old/steps.md").read_text() != "mine"


def test_pictures_of_another_seed_need_another_folder(ablate, capsys):
    assert ablate("decoder", "--quiet", "--work", "seeds") == 0
    assert ablate("decoder", "--quiet", "--work", "seeds", "--seed", "1") == 1
    assert "of another model or seed" in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_budget_only(ablate, capsys):
    assert ablate("attention", "--quiet", "--metrics", "psnr") == 0
    assert ablate("attention", "--quiet", "--batch", "1") == 1
    assert "another budget" in capsys.readouterr().err


def test_esgf_takes_a_step_in_place_of_the_knee(ablate, desk):
    assert ablate("esgf", "--quiet", "--metrics", "psnr", "--from", "8", "--work", "by-hand", "--report", "hand") == 0
    names = [variant["name"] for variant in json.loads((desk / "hand/esgf.json").read_text())["variants"]]
    assert names == ["from step 8", "from the latest step", "no expert stage"]


def test_photos_can_be_degraded_for_every_step(ablate, desk):
    assert ablate("attention", "--quiet", "--live", "--work", "live") == 0
    assert not list((desk / "live/run").glob("pool*"))


def test_training_needs_weights(desk, model, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    assert run(["ablate", "esgf", "--root", "mine", "-n", str(model), "--photos", "photos"]) == 1
    assert "training needs --weights" in capsys.readouterr().err


def test_a_set_by_name_is_checked_as_elsewhere(ablate, capsys):
    assert ablate("steps", "--dataset", "realsr") == 1
    assert "is 24x18, not 128x128" in capsys.readouterr().err


def test_guidance_needs_a_model_that_takes_it(ablate, capsys):
    assert ablate("guidance", "--photos", "photos", "--weights", "weights", "--preset", "ci", "--work", "guided") == 1
    assert "guidance is 384 wide, the model takes 8" in capsys.readouterr().err
