"""Write the results page from the measurements in a folder.

    python recipes/results_page.py docs/results docs/results.md

The folder holds what the commands write: SET.json and SET-*.json of ``linearsr eval -o``, ablations/KIND.json and .svg
of ``linearsr ablate --report``, upscale.json, peers.json and scaling.json of ``linearsr bench --report``; and the rows
of others in published.json. What tables show is said in readings.json: measure anew, and read anew. A table whose file
is not there is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from linearsr.bench.machine import Machine
from linearsr.bench.peers import PeerTiming, render_peers
from linearsr.bench.scaling import Point, render_scaling
from linearsr.bench.upscale import Part, UpscaleTiming, render_upscale
from linearsr.evaluation.paired import PairedTest
from linearsr.evaluation.report import cell, table_lines, verdict
from linearsr.evaluation.summary import Mean

Values = dict[str, Any]
INTRODUCTION = """# Results

Made by `make docs` from the files in [results](results/), which hold the value of every image; each table names the
command that made it. Rows marked *here* were measured with this project's own tools ([how](guide/evaluation.md)); rows
marked *quoted* are what others published. Sentences in lists are made of the paired differences, over the images, and
their 95 % intervals: *undecided* means that zero is among them. So small a difference can be decided that no eye sees
it: read the numbers too."""
SETS = {
    "realsr": (
        "RealSR, 100 crops, 128 → 512",
        "PSNR and SSIM on the luma of BT.601, without a border cut. Of the rows *here*, Real-ESRGAN x4plus and the "
        "small general network that Upscayl ships (realesrgan-x4fast) ran through ncnn on the CPU, DAT-light through "
        "PyTorch. The pictures of all are made by `linearsr bench peers --input realsr/lr --ncnn-model "
        "models/realesrgan-x4fast --repeats 1 --out outputs/realsr`. Real-ESRGAN stands in both kinds of rows: the "
        "difference is what another program for the same network and another implementation of the metrics are worth.",
    ),
    "osediff": (
        "RealSR, every fourth crop, beside a diffusion model",
        "OSEDiff's pictures are those that its authors publish beside their program, of 25 of the 100 crops; `fourth` "
        "holds the references of those.",
    ),
    "drealsr": ("DRealSR, 93 crops, 128 → 512", ""),
    "real": (
        "Real photographs without reference",
        "All 20 photos of RealSRSet (BSRGAN), ×4, made by the same command with `--input real --out outputs/real`. "
        "Scores without a reference do not know what was there, and favour sharp detail whether it is right or not.",
    ),
}
ABLATIONS = ("decoder", "steps", "fidelity", "esgf", "experts", "attention", "guidance")


def render(folder: Path) -> str:
    """Return the page."""
    sections = [*_sets(folder), *_speed(folder), *_ablations(folder)]
    return "\n\n".join([INTRODUCTION, *sections]) + "\n"


def _sets(folder: Path) -> Iterator[str]:
    published, readings = (_read(folder / f"{file}.json") or {} for file in ("published", "readings"))
    for name, (title, about) in SETS.items():
        paths = [folder / f"{name}.json", *sorted(folder.glob(f"{name}-*.json"))]
        parts = [part for path in paths if (part := _read(path))]
        quoted = published.get(name, {"note": "", "rows": []})
        if not parts and not quoted["rows"]:
            continue
        yield f"## {title}"
        yield "\n".join(_score_table(parts, quoted["rows"]))
        yield " ".join(text for text in (about if parts else "", quoted["note"]) if text)
        if reading := readings.get(name):
            yield reading
        if verdicts := [f"- {line}" for line in _verdicts(parts)]:
            yield "\n".join(verdicts)
        yield from _made_by(*parts)


def _score_table(parts: Sequence[Values], quoted: Sequence[Values]) -> list[str]:
    directions = {"psnr": "higher", "ssim": "higher", "lpips": "lower", "dists": "lower", "niqe": "lower"}
    measured = {metric: better for part in parts for metric, better in part["better"].items()}
    better = {**{name: way for name, way in directions.items() if quoted or name in measured}, **measured}
    header = ["method", "", *(f"{metric} {'↑' if way == 'higher' else '↓'}" for metric, way in better.items())]
    rows = []
    for method in parts[0]["means"] if parts else ():
        means = {metric: mean for part in parts for metric, mean in part["means"].get(method, {}).items()}
        cells = [_number(metric, means.get(metric, {}).get("value")) for metric in better]
        rows.append([f"**{method}**" if method.startswith("LinearSR") else method, "here", *cells])
    rows += [[row["method"], "quoted", *(_number(metric, row.get(metric)) for metric in better)] for row in quoted]
    return table_lines(header, rows)


def _number(metric: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if metric in ("psnr", "niqe", "brisque") else f"{value:.3f}"


def _verdicts(parts: Sequence[Values]) -> Iterator[str]:
    """Return a sentence for each method that was tested against ours."""
    higher = {metric: way == "higher" for part in parts for metric, way in part["better"].items()}
    tests = [
        PairedTest(**(test | {"difference": Mean(**test["difference"])})) for part in parts for test in part["tests"]
    ]
    for method in dict.fromkeys(test.method for test in tests):
        yield verdict([test for test in tests if test.method == method], higher)


def _speed(folder: Path) -> Iterator[str]:
    upscale, peers, scaling = (_read(folder / f"{name}.json") for name in ("upscale", "peers", "scaling"))
    readings = _read(folder / "readings.json") or {}
    if upscale or peers or scaling:
        yield "## Speed"
    if upscale:
        timings = [_timing(values) for values in upscale["timings"]]
        yield f"### One upscale, by its parts\n\n{render_upscale(timings, _machine(upscale)).rstrip()}"
        yield from filter(None, [readings.get("upscale")])
        yield from _made_by(upscale)
    if peers:
        rows = [PeerTiming(**row) for row in peers["peers"]]
        table = render_peers(rows, peers["content"], _machine(peers))
        yield f"### Beside what you would use instead\n\n{table.rstrip()}"
        yield from filter(None, [readings.get("peers")])
        yield from _made_by(peers)
    if scaling:
        points = [Point(**point) for point in scaling["points"]]
        yield f"### As images grow\n\n{render_scaling(points, _machine(scaling)).rstrip()}"
        if (folder / "scaling.svg").exists():
            yield f"![time and memory over tokens]({folder.name}/scaling.svg)"
        yield from filter(None, [readings.get("scaling")])
        yield from _made_by(scaling)


def _timing(values: Values) -> UpscaleTiming:
    parts = tuple(Part(**part) for part in values["parts"])
    return UpscaleTiming(**(values | {"parts": parts, "total": Part(**values["total"])}))


def _machine(values: Values) -> Machine:
    return Machine(**values["machine"])


def _ablations(folder: Path) -> Iterator[str]:
    found = {kind: _read(folder / f"ablations/{kind}.json") for kind in ABLATIONS}
    readings = _read(folder / "readings.json") or {}
    if any(found.values()):
        yield "## What each part adds\n\nOne thing changed at a time ([how](guide/ablations.md)). In brackets: 95 %."
    for kind, values in found.items():
        if values:
            yield f"### {values['question']}"
            yield "\n".join(_ablation_table(values))
            if reading := readings.get(kind):
                yield reading
            yield "\n".join(f"- {line}" for line in values["conclusions"])
            images = len(next(iter(values["images"].values())))
            about = (f"{images} pairs, model {values['model']}.", values["remark"], values["training"])
            yield " ".join(text for text in about if text)
            yield f"![{values['question']}]({folder.name}/ablations/{kind}.svg)"
            yield from _made_by(values)


def _ablation_table(values: Values) -> list[str]:
    better: Mapping[str, str] = values["better"]
    header = ["variant", "training", *(f"{metric} {'↑' if way == 'higher' else '↓'}" for metric, way in better.items())]
    rows = []
    for variant in values["variants"]:
        spent = "; ".join(text for text in (variant["budget"], variant["note"]) if text)
        means = values["means"][variant["name"]]
        rows.append([variant["name"], spent, *(cell(Mean(**means[metric])) for metric in better)])
    return table_lines(header, rows)


def _made_by(*parts: Values) -> Iterator[str]:
    for part in parts:
        yield f"```text\n{part['command']}\n```"


def _read(path: Path) -> Values | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(render(Path(sys.argv[1])), encoding="utf-8")
