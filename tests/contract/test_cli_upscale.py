import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_models import photo, randn, small_pipeline

from linearsr.cli.main import run
from linearsr.tags.table import TagTable


def size(path):
    with PIL.Image.open(path) as image:
        return image.size


def test_a_photo_becomes_four_times_as_large_beside_itself(photos, linearsr):
    status, _, err = linearsr("upscale", "one.png")
    assert status == 0
    assert size("one_x4.png") == (52, 40)
    assert "one.png: 13x10 -> 52x40" in err


def test_a_bad_file_does_not_stop_the_batch_and_gives_status_2(photos, linearsr):
    status, _, err = linearsr("upscale", "in", "missing.png", "-o", "out", "-r")
    assert status == 2
    assert sorted(str(path) for path in Path("out").rglob("*.*")) == ["out/a.png", "out/b.jpg", "out/below/c.webp"]
    assert "failed: in/broken.png" in err
    assert "failed: missing.png" in err
    assert "3 done, 0 skipped, 2 failed" in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("one.png", "--scale", "0"),
        ("one.png", "--scale", "nan"),
        ("one.png", "--steps", "0"),
        ("one.png", "--tile", "31"),
        ("one.png", "--tags", ""),
        ("one.png", "--tags", "do\x07g"),
        ("one.png", "--tags", ",".join(f"tag{n}" for n in range(500))),
        ("one.png", "--tags", "\N{CAT}"),
        ("one.png", "--negative-tags", "dog"),
        ("one.png", "--negative-tags", "", "--guidance-scale", "2"),
        ("one.png", "--tags", "none", "--guidance-scale", "2"),
        ("one.png", "--caption", " "),
        ("one.png", "--caption", "a dog", "--tags", "dog"),
        ("one.png", "--text-encoder", "nowhere"),
        ("one.png", "--guidance-scale", "nan"),
        ("one.png", "--tile", "much"),
        ("one.png", "--device", "cuda:99"),
        ("one.png", "--precision", "fp16"),
        ("one.png", "--fp32", "--precision", "bf16"),
        ("one.png", "--gpu-id", "0", "--device", "cpu"),
        ("one.png", "--overwrite", "--skip-existing"),
        ("one.png", "--no-such-option"),
    ],
)
def test_nothing_starts_when_the_request_is_wrong(photos, linearsr, arguments):
    status, out, err = linearsr("upscale", *arguments)
    assert status == 1
    assert out == b""
    assert err
    assert not Path("one_x4.png").exists()


def test_nothing_starts_when_the_model_is_missing(photos, capsys):
    from linearsr.cli.main import run

    assert run(["upscale", "one.png", "--model", "nowhere"]) == 1
    assert "no model 'nowhere'" in capsys.readouterr().err


def test_a_second_run_over_a_folder_skips_what_exists(photos, linearsr):
    linearsr("upscale", "in", "-o", "out")
    before = Path("out/a.png").stat().st_mtime_ns
    status, _, err = linearsr("upscale", "in", "-o", "out")
    assert status == 2  # the broken file is still broken
    assert "in/a.png: skipped, out/a.png exists" in err
    assert Path("out/a.png").stat().st_mtime_ns == before


def test_an_existing_result_is_kept_unless_overwrite_is_asked_for(photos, linearsr):
    Path("one_x4.png").write_bytes(b"kept")
    assert linearsr("upscale", "one.png")[0] == 2
    assert Path("one_x4.png").read_bytes() == b"kept"
    assert linearsr("upscale", "one.png", "--overwrite")[0] == 0
    assert size("one_x4.png") == (52, 40)


def test_the_result_does_not_depend_on_company_or_order(photos, linearsr):
    linearsr("upscale", "in/a.png", "-o", "alone.png")
    linearsr("upscale", "one.png", "in/b.jpg", "in/a.png", "-o", "together")
    assert Path("together/a.png").read_bytes() == Path("alone.png").read_bytes()


def test_another_seed_gives_another_result(photos, linearsr):
    for seed in (0, 1):
        linearsr("upscale", "one.png", "-o", f"{seed}.png", "--seed", seed)
    assert Path("0.png").read_bytes() != Path("1.png").read_bytes()


def test_fidelity_changes_the_result(photos, linearsr):
    for fidelity in (0, 1):
        linearsr("upscale", "one.png", "-o", f"{fidelity}.png", "--fidelity", fidelity)
    assert Path("0.png").read_bytes() != Path("1.png").read_bytes()


def test_experts_on_demand_give_the_same_result(photos, linearsr):
    for kind in ("resident", "on-demand"):
        linearsr("upscale", "one.png", "-o", f"{kind}.png", "--experts", kind)
    assert Path("resident.png").read_bytes() == Path("on-demand.png").read_bytes()


def test_large_pictures_get_their_experts_on_demand(photos, capsys):
    PIL.Image.new("RGB", (1000, 1000)).save("large.png")

    def peaks(*options):
        assert run(["upscale", *options, "--dry-run", "--json-progress"]) == 0
        return [job["peak_megabytes"] for job in json.loads(capsys.readouterr().out)["jobs"]]

    (large,), (small,) = (peaks(name, "--experts", "resident") for name in ("large.png", "one.png"))
    assert peaks("large.png", "--experts", "on-demand") == peaks("large.png") == [large - 110]
    assert peaks("one.png") == [small]
    assert peaks("one.png", "large.png") == [small, large]


def test_standard_input_to_standard_output_carries_only_the_image(photos, linearsr, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("one.png").read_bytes())))
    status, out, err = linearsr("upscale", "-", "-o", "-", "--json-progress")
    assert status == 0
    assert size(io.BytesIO(out)) == (52, 40)
    assert json.loads(err.splitlines()[-1]) == {"event": "summary", "done": 1, "skipped": 0, "failed": 0}


def test_json_progress_tells_every_step_and_the_rows_that_are_done(photos, linearsr):
    _, out, err = linearsr("upscale", "one.png", "in/broken.png", "-o", "out", "--json-progress")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == [
        "failed",
        "start",
        "step",
        "step",
        "step",
        "step",
        "rows",
        "done",
        "summary",
    ]
    assert events[-3] == {"event": "rows", "input": "one.png", "rows": 40, "total": 40}
    assert events[0]["code"] == "unsupported_format"
    assert events[-2]["size_out"] == [52, 40]
    assert err == ""


def test_a_dry_run_plans_and_writes_nothing(photos, linearsr):
    Path("in/a_x4.png").write_bytes(b"kept")
    status, out, _ = linearsr("upscale", "in", "--dry-run", "--no-skip-existing", "--overwrite")
    assert status == 2
    text = out.decode()
    assert "in/b.jpg: 13x10 -> 52x40, memory not known for this model -> in/b_x4.jpg" in text
    assert "in/broken.png: would fail" in text
    assert "in/a_x4.png: would be skipped" in text
    assert not Path("in/b_x4.jpg").exists()


def test_a_dry_run_as_json_is_one_document(photos, linearsr):
    status, out, _ = linearsr("upscale", "one.png", "--dry-run", "--json-progress")
    document = json.loads(out)
    assert status == 0
    assert document["jobs"][0]["output"] == "one_x4.png"
    assert document["jobs"][0]["peak_megabytes"] is None


def test_a_dry_run_tells_the_memory_of_the_embedded_model(photos, capsys):
    assert run(["upscale", "one.png", "--dry-run"]) == 0
    assert re.search(r"one\.png: 13x10 -> 52x40, about \d{3} MB", capsys.readouterr().out)


def test_quiet_says_only_what_went_wrong(photos, linearsr):
    status, out, err = linearsr("upscale", "one.png", "in/broken.png", "-q", "-o", "out")
    assert (status, out) == (2, b"")
    assert err.count("\n") == 1
    assert "in/broken.png" in err


def test_a_loss_is_told_as_a_warning(photos, linearsr):
    PIL.Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save("clear.png")
    status, _, err = linearsr("upscale", "clear.png", "-o", "clear.jpg")
    assert status == 0
    assert "warning: clear.png: jpg has no alpha" in err


def test_a_defect_met_on_one_image_is_reported_and_the_rest_goes_on(photos, linearsr, monkeypatch):
    import linearsr.cli.batch as verb

    original = verb.decode
    monkeypatch.setattr(verb, "decode", lambda source, limits: 1 / 0 if source.name == "a.png" else original(source))
    status, _, err = linearsr("upscale", "in/a.png", "one.png", "-o", "out", "-v")
    assert status == 2
    assert "unexpected ZeroDivisionError" in err
    assert "Traceback" in err
    assert size("out/one.png") == (52, 40)


def test_a_terminal_gets_a_bar(photos, linearsr, monkeypatch):
    monkeypatch.setattr("linearsr.cli.upscale._is_terminal", lambda: True)
    status, _, err = linearsr("upscale", "one.png", "in/broken.png", "in/a.png", "-o", "out")
    assert status == 2
    assert "in/a.png: 13x10 -> 52x40" in err
    assert "2 done, 0 skipped, 1 failed" in err


def test_the_limits_can_be_lowered_and_raised(photos, linearsr):
    status, _, err = linearsr("upscale", "one.png", "-o", "out", "--max-output-pixels", "2079")
    assert status == 2
    assert (
        "over the limit of 2,079 pixels; ask for a smaller --scale or --max-side, or raise --max-output-pixels" in err
    )
    assert linearsr("upscale", "one.png", "-o", "out", "--max-output-pixels", "2080")[0] == 0
    status, _, err = linearsr("upscale", "one.png", "-o", "out2", "--max-input-pixels", "129")
    assert (status, "over the limit of 129; crop or split it first, or raise --max-input-pixels" in err) == (2, True)


def test_several_processes_share_one_image(photos, model):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "linearsr"]
    alone = [sys.executable, "-m", "linearsr"]
    PIL.Image.fromarray(photo(70, 30)).save("tall.png")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    for start, folder in ((command, "together"), (alone, "alone")):
        arguments = ["upscale", "tall.png", "-o", folder + "/out.png", "-n", str(model), "--device", "cpu"]
        done = subprocess.run([*start, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("tall.png: 30x70 -> 120x280") == 1
    together, alone = (np.asarray(PIL.Image.open(f"{folder}/out.png")).astype(int) for folder in ("together", "alone"))
    assert np.abs(together - alone).max() <= 1


def test_interrupting_says_so(photos, linearsr, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("linearsr.cli.upscale.make_plan", interrupt)
    status, _, err = linearsr("upscale", "one.png")
    assert status == 130
    assert "interrupted" in err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-s", "2"), (26, 20)),
        (("--outscale", "3.5"), (46, 35)),
        (("--width", "100"), (100, 77)),
        (("--width", "30", "--height", "30"), (30, 30)),
        (("--max-side", "32"), (32, 25)),
    ],
)
def test_any_size_can_be_asked_for(photos, linearsr, options, expected):
    assert linearsr("upscale", "one.png", "-o", "sized.png", *options)[0] == 0
    assert size("sized.png") == expected


@pytest.fixture
def tag_model(tmp_path_factory):
    """A small model that says it was trained with tags."""
    folder = tmp_path_factory.mktemp("tag_model")
    small_pipeline(guidance_width=384, guidance="tags").save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("options", "share"), [((), 1.0), (("--denoise", "0.25"), 0.25), (("--denoise", "0"), 0.0)])
def test_noise_that_was_taken_out_is_said_with_the_result(photos, capsys, options, share):
    pixels = np.random.default_rng(5).normal(128, 30, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    PIL.Image.fromarray(pixels).save("noisy.png")
    assert run(["upscale", "noisy.png", "-o", "a.png", "--json-progress", *options]) == 0
    (done,) = (event for event in map(json.loads, capsys.readouterr().out.splitlines()) if event["event"] == "done")
    assert done["denoised"] == share
    assert done["fidelity"] == pytest.approx(0.25 * (1 - share), abs=0.001)
    assert run(["upscale", "noisy.png", "-o", "b.png", *options]) == 0
    said = f"noisy.png, {share:.0%} of its noise or blocks out: 64x64" if share else "noisy.png: 64x64"
    assert capsys.readouterr().err.startswith(said)
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_tags_are_said_with_the_result_and_change_it(photos, tag_model, capsys):
    def upscale(output, *options):
        arguments = ["upscale", "one.png", "-o", output, "-n", str(tag_model), "--json-progress", *options]
        assert run(arguments) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert not [event for event in events if event["event"] == "warning"]
        (done,) = (event for event in events if event["event"] == "done")
        return done["tags"], Path(output).read_bytes()

    tags, with_tags = upscale("tags.png", "--tags", "Dog, wooden spoon")
    assert tags == ["dog", "wooden spoon"]
    none, without = upscale("none.png", "--tags", "none")
    assert none == []
    negative = upscale("negative.png", "--tags", "dog", "--negative-tags", "cat", "--guidance-scale", "3")[1]
    assert len({with_tags, without, negative}) == 3


def test_tags_for_a_model_without_warn(photos, tag_model, linearsr):
    status, _, err = linearsr("upscale", "one.png", "--tags", "dog")
    assert status == 2  # the small model's guidance is narrower than tags are
    assert "width 8, tags have 384" in err


@pytest.fixture
def table_model(tmp_path_factory):
    """A small model with tokens of tags of its own, and of the width of the small Gemma."""
    folder = tmp_path_factory.mktemp("table_model")
    pipeline = small_pipeline(guidance_width=24, guidance="tags")
    pipeline.tag_table = TagTable(states={"": randn(1, 24), "dog": randn(2, 24, seed=1)})
    pipeline.save_pretrained(folder)
    return folder


def test_a_text_encoder_takes_captions_and_tags_that_the_model_has_no_tokens_for(photos, table_model, gemma, capsys):
    def upscale(output, *options):
        status = run(["upscale", "one.png", "-o", output, "-n", str(table_model), *options])
        return status, capsys.readouterr().err, Path(output).read_bytes() if Path(output).exists() else None

    gemma_options = "--text-encoder", str(gemma)
    assert upscale("none.png", "--tags", "cat")[0] == 1
    assert "needs the text encoder" in upscale("none.png", "--caption", "a cat")[1]
    results = [
        upscale("dog.png", "--tags", "dog"),
        upscale("dog2.png", "--tags", "dog", *gemma_options),
        upscale("cat.png", "--tags", "cat", *gemma_options),
        upscale("caption.png", "--caption", "A cat on a mat", *gemma_options),
    ]
    assert [status for status, _, _ in results] == [0] * 4
    assert len({content for _, _, content in results}) == 4
