import json
import sys
from pathlib import Path

import pytest

from linearsr.cli.main import run

RISE = [20 + 4 * (1 - 0.7**i) for i in range(16)]
SWING = [24 + 1.5 * (-1) ** i for i in range(1, 13)]


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Write a validated run with these PSNR values, one every 100 steps; LPIPS mirrors them."""
    monkeypatch.chdir(tmp_path)

    def write(values, **more):
        lines = [{"step": 100 * (i + 1), "psnr": v, "lpips": (30 - v) / 20} for i, v in enumerate(values)]
        lines = [line | {name: curve[i] for name, curve in more.items()} for i, line in enumerate(lines)]
        Path("validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return "."

    return write


def test_the_knee_is_printed_with_its_reason(stage, capsys):
    assert run(["knee", stage(RISE + SWING)]) == 0
    assert "knee at step 1600, confidence" in capsys.readouterr().out


def test_without_a_knee_the_last_step_is_named(stage, capsys):
    assert run(["knee", stage(RISE)]) == 0
    assert "no knee yet" in (out := capsys.readouterr().out)
    assert "the last validated step is 1600" in out


def test_a_diverged_tail_is_left_out(stage, capsys):
    assert run(["knee", stage([*RISE, *SWING, float("nan"), 3.0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["knee"] == 1600


def test_json_tells_where_to_start(stage, capsys):
    run(["knee", stage(RISE), "--json"])
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["knee"], verdict["start"], verdict["confidence"]) == (None, 1600, 0)


def test_what_was_logged_to_explain_the_run_is_shown_at_the_knee_and_at_the_end(stage, capsys):
    curves = {"loss": [1 / (i + 1) for i in range(28)], "effective_rank": [60 - i for i in range(28)]}
    run(["knee", stage(RISE + SWING, **curves)])
    said = capsys.readouterr().out
    assert "loss: 0.0625 at step 1600, 0.03571 at step 2800" in said
    assert "effective rank: 45 at step 1600, 33 at step 2800" in said
    run(["knee", ".", "--json", "--plot", "knee.png"])
    diagnostics = json.loads(capsys.readouterr().out)["diagnostics"]
    assert diagnostics["effective_rank"] == {"start": 45, "last": 33}
    run(["knee", stage(RISE + SWING), "--json", "--plot", "plain.png"])
    assert json.loads(capsys.readouterr().out)["diagnostics"] == {}
    assert height("knee.png") > 1.5 * height("plain.png")


def height(path):
    import PIL.Image

    with PIL.Image.open(path) as picture:
        return picture.height


@pytest.mark.parametrize("values", [RISE + SWING, RISE])
def test_the_plot_is_a_picture(stage, values):
    import PIL.Image

    assert run(["knee", stage(values), "--plot", "plots/knee.png"]) == 0
    with PIL.Image.open("plots/knee.png") as picture:
        assert min(picture.size) > 400


def test_the_plot_refuses_an_unknown_format(stage, capsys):
    assert run(["knee", stage(RISE), "--plot", "knee.txt"]) == 1
    assert "cannot draw knee.txt" in capsys.readouterr().err


def test_a_plot_without_matplotlib_tells_how_to_get_it(stage, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert run(["knee", stage(RISE), "--plot", "knee.png"]) == 1
    assert "pip install 'linearsr[plots]'" in capsys.readouterr().err


def test_a_folder_without_validation_is_an_error(tmp_path, capsys):
    assert run(["knee", str(tmp_path)]) == 1
    assert "validation.jsonl" in capsys.readouterr().err
