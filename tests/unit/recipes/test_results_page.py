import json
from dataclasses import asdict
from pathlib import Path

import pytest
from recipes_folder import load_recipe

from linearsr.bench.machine import Machine
from linearsr.bench.peers import PeerTiming
from linearsr.bench.report import Report
from linearsr.bench.scaling import Point
from linearsr.bench.upscale import Part, UpscaleTiming

RECIPE = load_recipe("results_page")
DOCS = Path(__file__).parents[3] / "docs"
MACHINE = Machine(
    processor="a processor",
    cores=2,
    threads=1,
    device="cpu",
    precision="float32",
    peak_macs=1e10,
    system="a system",
    python="3.11",
    torch="2.6",
    linearsr="0.1",
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ablations").mkdir()
    return tmp_path


def write(path, values):
    path.write_text(json.dumps(values))


def scores(command, metric, way, **values):
    """What ``linearsr eval`` writes of one metric: means per method, and a test of the second against the first."""
    first, second = values
    difference = values[second] - values[first]
    test = {"metric": metric, "method": second, "baseline": first, "images": 2, "better_on": 0}
    test |= {"effect_size": 1.0, "p_t": 0.5, "p_wilcoxon": 0.5}
    test["difference"] = {"value": difference, "low": difference - 0.1, "high": difference + 0.1}
    means = {method: {metric: {"value": value, "low": value, "high": value}} for method, value in values.items()}
    return {"command": command, "better": {metric: way}, "means": means, "tests": [test], "images": {}}


def write_bench(folder, name, **values):
    report = Report(name=name, command=f"linearsr bench {name}", machine=MACHINE, values=values, text="")
    (folder / f"{name}.json").write_text(report.json())


def test_the_page_in_the_docs_is_made_of_the_files_beside_it():
    assert (DOCS / "results.md").read_text() == RECIPE.render(DOCS / "results"), "run `make docs`"


def test_an_empty_folder_makes_an_empty_page(folder):
    assert RECIPE.render(folder) == f"{RECIPE.INTRODUCTION}\n"


def test_measured_rows_of_several_files_stand_beside_quoted_ones(folder):
    write(folder / "realsr.json", scores("linearsr eval x", "psnr", "higher", ours=25.0, theirs=24.0))
    write(folder / "realsr-dists.json", scores("linearsr eval y", "dists", "lower", ours=0.2, theirs=0.21))
    quoted = {"note": "As they say.", "rows": [{"method": "Other", "psnr": 26.0, "lpips": 0.3}]}
    write(folder / "published.json", {"realsr": quoted})
    write(folder / "readings.json", {"realsr": "Ours is more."})
    page = RECIPE.render(folder)
    assert "| method |  | psnr ↑ | ssim ↑ | lpips ↓ | dists ↓ | niqe ↓ |" in page
    assert "| theirs | here | 24.00 |  |  | 0.210 |  |" in page
    assert "| Other | quoted | 26.00 |  | 0.300 |  |  |" in page
    assert "- **theirs** beside ours: worse in psnr (-1); undecided in dists (+0.01)." in page
    assert "As they say.\n\nOurs is more." in page
    assert "```text\nlinearsr eval x\n```\n\n```text\nlinearsr eval y\n```" in page


def test_a_set_with_quoted_rows_alone_says_nothing_of_measurements(folder):
    quoted = {"note": "Theirs.", "rows": [{"method": "Other", "ssim": 0.7}]}
    write(folder / "published.json", {"drealsr": quoted})
    page = RECIPE.render(folder)
    assert "| Other | quoted |  | 0.700 |" in page
    assert "undecided" not in page.split("## DRealSR")[1]


def test_without_a_reference_only_what_was_measured_is_a_column(folder):
    write(folder / "real.json", scores("linearsr eval z", "niqe", "lower", ours=4.0, theirs=5.0))
    assert "| method |  | niqe ↓ |\n" in RECIPE.render(folder)


def test_timings_are_those_of_the_benchmarks(folder):
    part = Part(name="sampling", seconds=0.5, macs=10**9)
    total = Part(name="total", seconds=1.0, macs=10**9)
    sizes = {"work_memory": 10**6, "process_memory": 10**7, "estimated_memory": 10**7}
    timing = UpscaleTiming(side=64, tokens=64, steps=4, repeats=1, parts=(part,), total=total, **sizes)
    write_bench(folder, "upscale", timings=[timing])
    write_bench(folder, "peers", content="1 image", peers=[PeerTiming(name="bicubic", seconds=2.0, ratio=4.0)])
    points = [Point(attention="linear", side=side, tokens=side, seconds=float(side)) for side in (512, 1024)]
    write_bench(folder, "scaling", points=points)
    (folder / "scaling.svg").touch()
    write(folder / "readings.json", {"upscale": "Decoding is most.", "scaling": "It is linear."})
    page = RECIPE.render(folder)
    assert "64x64 -> 256x256, 64 tokens, 4 steps, cpu float32" in page
    assert "| bicubic |" in page
    assert "linear, up to 1024 px: time ~ N^1.00" in page
    assert "![time and memory over tokens]" in page
    assert "\n\nDecoding is most.\n\n```text\nlinearsr bench upscale" in page
    assert "\n\nIt is linear.\n\n```text\nlinearsr bench scaling" in page
    assert page.count("```text\nlinearsr bench ") == 3
    assert asdict(MACHINE)["processor"] in page


def test_an_ablation_has_its_question_table_conclusions_and_plot(folder):
    values = scores("linearsr ablate steps", "psnr", "higher", one=20.0, two=21.0)
    values |= {
        "question": "How many?",
        "model": "tiny",
        "remark": "Well.",
        "training": "",
        "images": {"one": {"a": {}}},
    }
    values["variants"] = [
        {"name": "one", "budget": "8 steps", "note": "from 3"},
        {"name": "two", "budget": "x", "note": ""},
    ]
    write(folder / "ablations/steps.json", values | {"conclusions": ["**two** beside one: better in psnr (+1)."]})
    write(folder / "readings.json", {"steps": "Two is more than one."})
    page = RECIPE.render(folder)
    assert "\n\nTwo is more than one.\n\n- **two**" in page
    assert "### How many?\n\n| variant | training | psnr ↑ |" in page
    assert "| one | 8 steps; from 3 | 20.00 (20.00 to 20.00) |" in page
    assert "- **two** beside one: better in psnr (+1)." in page
    assert "1 pairs, model tiny. Well." in page
    assert f"({folder.name}/ablations/steps.svg)" in page
