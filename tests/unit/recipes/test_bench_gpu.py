import json
from pathlib import Path

import pytest
from recipes_folder import load_recipe

RECIPE = load_recipe("bench_gpu")


def test_the_paper_sizes_and_graphs_come_first():
    first, second, *rest = RECIPE.commands(Path("out"), ["tiny"], "cuda")
    assert first[0] == "upscale"
    assert {"--size=256", "--size=1024", "--cuda-graphs", "--report=out/tiny"} <= set(first)
    assert second[0] == "scaling"
    assert [argument for argument in second if argument.startswith("--size")] == [
        f"--size={side}" for side in (512, 1024, 2048, 4096, 8192)
    ]
    assert [command[0] for command in rest] == ["peers", "train"]


def test_every_model_has_a_folder_of_its_own():
    commands = list(RECIPE.commands(Path("out"), ["tiny", "models/sana-600m"], "cuda:1"))
    assert [command[0] for command in commands] == [
        "upscale",
        "upscale",
        "scaling",
        "scaling",
        "peers",
        "train",
        "train",
    ]
    assert "--report=out/sana-600m" in commands[1]
    assert "--plot=out/sana-600m/scaling.png" in commands[3]


def test_it_runs_where_there_is_no_gpu(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("linearsr.bench.machine.measure_peak", lambda device, dtype: 1e9)
    monkeypatch.setattr("linearsr.bench.networks.NETWORKS", ())
    out = tmp_path / "figures"
    status = RECIPE.main([str(out), "--models", str(model), "--device", "cpu", "--lr-sides", "64", "--repeats", "1"])
    assert status == 0, capsys.readouterr().err
    made = {path.name for path in (out / model.name).iterdir()}
    benchmarks = {"upscale", "scaling", "peers", "train"}
    assert made == {f"{name}.{form}" for name in benchmarks for form in ("json", "md")} | {"scaling.png"}
    assert len(json.loads((out / model.name / "scaling.json").read_text())["points"]) == 3 * 3


@pytest.mark.parametrize(("budget", "missing"), [(-1.0, 4), (480.0, 4)])
def test_what_is_left_out_or_fails_is_counted(budget, missing, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(RECIPE, "BUDGET", budget)
    assert RECIPE.main([str(tmp_path), "--models", "nothing", "--device", "cpu"]) == missing
    out = capsys.readouterr().out
    assert out.count("left out after") == (4 if budget < 0 else 0)
    assert "4 failed or left out" in out
