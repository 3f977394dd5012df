"""Each benchmark runs at a small size, and its options do what they say. No test looks at how long anything took."""

import json
import shlex
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.bench.peers import Peer, bicubic_peer
from linearsr.cli.main import run


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("linearsr.bench.machine.measure_peak", lambda device, dtype: 5e9)


@pytest.fixture
def bench(model, capsys):
    """Run a benchmark with the small model; returns (status, standard output, standard error)."""

    def call(*arguments):
        status = run(["bench", *arguments, "--model", str(model), "--device", "cpu"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def peers(monkeypatch):
    """Peers that any machine has."""

    def missing():
        raise ImportError("No module named 'ncnn'")

    packaged = [Peer(name="Real-ESRGAN x4plus", load=missing, install="pip install ncnn")]
    monkeypatch.setattr("linearsr.bench.ncnn_peers.packaged_peers", lambda threads, vulkan: packaged)
    dat = Peer(name="DAT-light", load=bicubic_peer().load)
    monkeypatch.setattr("linearsr.bench.dat_peer.dat_peer", lambda: dat)


def test_bench_alone_times_an_upscale(bench):
    status, out, _ = bench("--size", "16", "--repeats", "1", "--fp32", "--steps", "2")
    assert status == 0
    assert "16x16 -> 64x64, 4 tokens, 2 steps, cpu float32" in out
    assert "large matrix products or convolutions reach 5 GMAC/s here" in out
    assert "Made by `linearsr bench upscale --size 16" in out


def test_upscale_takes_several_sizes_and_prints_json(bench, model):
    status, out, _ = bench("upscale", "--size", "16", "--size", "24", "--repeats", "2", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["model"] == "small"
    assert [timing["side"] for timing in found["timings"]] == [16, 24]
    assert found["timings"][0]["total"]["seconds"] > 0
    assert found["timings"][0]["process_memory"] > 50_000_000
    assert shlex.split(found["command"])[-4:] == ["--model", str(model), "--device", "cpu"]


def test_cuda_graphs_need_a_gpu(bench):
    status, _, err = bench("upscale", "--size", "16", "--cuda-graphs")
    assert status == 1
    assert "--cuda-graphs needs a CUDA GPU, not cpu" in err


@pytest.mark.parametrize("name", ["upscale", "scaling", "peers", "train"])
def test_reports_are_written_whole_and_not_replaced_unasked(bench, peers, name):
    small = {
        "upscale": ["--size", "16"],
        "scaling": ["--size", "64"],
        "peers": ["--size", "64"],
        "train": ["--batch", "1", "--lr-side", "8", "--steps", "1"],
    }
    repeats = [] if name == "train" else ["--repeats", "1"]
    arguments = [name, *small[name], *repeats, "--report", "figures"]
    status, out, _ = bench(*arguments)
    assert status == 0
    assert Path(f"figures/{name}.md").read_text() == out
    assert json.loads(Path(f"figures/{name}.json").read_text())["benchmark"] == name
    before = Path(f"figures/{name}.json").read_bytes()
    status, out, err = bench(*arguments)
    assert (status, out) == (1, "")
    assert "exists already; pass --overwrite" in err
    assert Path(f"figures/{name}.json").read_bytes() == before
    assert bench(*arguments, "--overwrite")[0] == 0


def test_scaling_puts_the_softmax_twin_beside_and_draws(bench):
    status, out, err = bench("scaling", "--size", "128", "--size", "64", "--repeats", "1", "--plot", "growth.png")
    assert status == 0
    kinds = [line.split(", ")[1].split(":")[0] for line in err.splitlines()]
    assert kinds == ["linear in strips", "linear", "softmax"] * 2
    assert all(f"- {kind}, up to 128 px: time ~ N^" in out for kind in kinds)
    with PIL.Image.open("growth.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(("option", "unit"), [("--time-limit", "s"), ("--memory-limit", "GB")])
def test_scaling_says_where_it_stopped(bench, option, unit, monkeypatch):
    monkeypatch.setattr("linearsr.bench.scaling.peak_of", lambda work, device: (work(), 10**6)[1])
    status, out, _ = bench("scaling", "--size", "64", "--size", "128", "--repeats", "1", option, "0.0000001")
    assert status == 0
    assert out.count("not run:") == 3
    assert f"{unit} expected, limit 0 {unit}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", "100"), "--size 100 is not a multiple of 32; use 128"),
        (("--plot", "growth.bmp"), "cannot draw a 'bmp' picture"),
        (("--plot", "there.png"), "there.png exists already"),
    ],
)
def test_scaling_refuses_before_it_works(bench, arguments, message):
    Path("there.png").write_bytes(b"")
    status, out, err = bench("scaling", *arguments)
    assert (status, out) == (1, "")
    assert message in err


def test_peers_are_compared_and_missing_ones_named(bench, peers):
    status, out, err = bench("peers", "--size", "64", "--steps", "1", "--repeats", "1", "--json")
    assert status == 0
    found = json.loads(out)
    assert [row["name"] for row in found["peers"]] == [
        "LinearSR small, 1 steps",
        "bicubic",
        "Real-ESRGAN x4plus",
        "DAT-light",
    ]
    assert found["peers"][0]["ratio"] == 1
    assert found["peers"][2]["missing"] == "not installed (No module named 'ncnn'): pip install ncnn"
    assert "Real-ESRGAN x4plus: not installed" in err
    assert found["content"] == "1 image(s) of 64x64, medians of 1 run(s)"


def test_peers_fill_folders_for_the_evaluation(bench, peers):
    Path("photos").mkdir()
    for seed, name in enumerate(("a.png", "b.jpg")):
        PIL.Image.fromarray(photo(20, 30, seed)).save(f"photos/{name}")
    arguments = ["peers", "--input", "photos", "--out", "results", "--repeats", "1", "--only", "bicubic"]
    assert bench(*arguments)[0] == 0
    written = sorted(str(path) for path in Path("results").rglob("*.png"))
    assert written == [
        f"results/{method}/{name}.png" for method in ("bicubic", "linearsr-small-4-steps") for name in "ab"
    ]
    with PIL.Image.open("results/bicubic/a.png") as image, PIL.Image.open("photos/a.png") as source:
        assert np.array_equal(image, source.resize((120, 80), PIL.Image.Resampling.BICUBIC))
    status, _, err = bench(*arguments)
    assert status == 1
    assert "exists already" in err
    assert bench(*arguments, "--overwrite")[0] == 0


def test_any_ncnn_model_can_be_a_peer(bench, peers, monkeypatch):
    for suffix in (".param", ".bin"):
        Path(f"general{suffix}").touch()
    monkeypatch.setattr("linearsr.bench.ncnn_peers._load", lambda path, threads, vulkan: bicubic_peer().load())
    status, out, _ = bench("peers", "--size", "64", "--repeats", "1", "--ncnn-model", "general", "--only", "general")
    assert status == 0
    assert "| general " in out
    assert "bicubic" not in out.split("\n\n")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "waifu"), "no peer has 'waifu' in its name; choose from bicubic"),
        (("--ncnn-model", "nothing"), "no nothing.param in ."),
        (("--input", "-"), "--input must name files"),
        (("--input", "one.png", "--input", "below/one.png"), "--input must name files, each with a name of its own"),
        (("--input", "none.png"), "cannot read none.png"),
    ],
)
def test_peers_refuse_what_they_cannot_do(bench, peers, arguments, message):
    Path("below").mkdir()
    for name in ("one.png", "below/one.png"):
        PIL.Image.fromarray(photo(8, 8)).save(name)
    status, out, err = bench("peers", *arguments)
    assert (status, out) == (1, "")
    assert message in err


def test_networks_of_other_upscalers_come_after_the_peers(bench, peers, monkeypatch):
    def missing():
        raise ImportError("No module named 'diffusers'")

    from linearsr.bench.networks import NETWORKS, Network

    absent = Network(name="SDXL UNet", used_by="SUPIR", stride=8, build=missing, inputs=NETWORKS[1].inputs)
    monkeypatch.setattr("linearsr.bench.networks.NETWORKS", (absent,))
    status, out, err = bench("peers", "--size", "64", "--repeats", "1", "--networks")
    assert status == 0
    assert "- not timed: SDXL UNet (SUPIR): not installed (No module named 'diffusers'): pip install diffusers" in out
    assert "For a result of 256x256; one evaluation of LinearSR takes" in out
    assert "SDXL UNet: not installed" in err


def test_training_is_timed_with_the_options_of_a_stage(bench):
    arguments = ["train", "--batch", "2", "--lr-side", "16", "--steps", "1", "--accumulate", "2", "--recompute"]
    status, out, _ = bench(*arguments, "--precision", "bf16", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["config"]["execution"] == {
        "device": "cpu",
        "precision": "bf16",
        "compiled": False,
        "recompute": True,
        "accumulate": 2,
    }
    assert (found["timing"]["batch"], found["timing"]["lr_side"], found["timing"]["steps"]) == (2, 16, 1)


def test_training_can_be_compiled(bench, monkeypatch):
    seen = []
    monkeypatch.setattr("torch.nn.Module.compile", lambda module: seen.append(type(module).__name__))
    assert bench("train", "--batch", "1", "--lr-side", "8", "--steps", "1", "--compiled")[0] == 0
    assert seen == ["LinearTransformer"]


def test_training_in_fp16_is_refused(bench):
    status, _, err = bench("train", "--precision", "fp16")
    assert status == 1
    assert "fp16" in err


def test_an_unknown_benchmark_is_named(capsys):
    assert run(["bench", "everything"]) == 1
    assert "everything" in capsys.readouterr().err


def test_help_lists_the_benchmarks(capsys):
    assert run(["bench", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("upscale", "scaling", "peers", "train"))
