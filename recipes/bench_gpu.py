"""All figures of a GPU in under ten minutes, as JSON, Markdown and a plot.

    python recipes/bench_gpu.py OUT [--models tiny FOLDER ...] [--device cuda]

For every model (a name, a folder or a hub id): one evaluation, with and without a CUDA graph, and the whole upscale, to
1024x1024 and to 4096x4096; then the growth from 512 to 8192 pixels beside the softmax twin, one step of training, and,
where diffusers is installed, one forward of the networks of other upscalers. The most important comes first. What would
start after BUDGET seconds is named and left out.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from linearsr.cli.main import run

BUDGET = 480.0
"""Seconds after which no further benchmark starts; the slowest one takes less than the rest of ten minutes."""
LR_SIDES = (256, 1024)
REPEATS = 20
SCALING_LIMIT = 20
"""Seconds that one evaluation may take in the scaling run."""


def commands(
    out: Path, models: list[str], device: str, lr_sides: tuple[int, ...] = LR_SIDES, repeats: int = REPEATS
) -> Iterator[list[str]]:
    """Yield the command lines, the most important first."""
    sizes = [f"--size={side}" for side in lr_sides]
    doubled = [2 * lr_sides[0]]
    while doubled[-1] < 8 * lr_sides[-1]:
        doubled.append(2 * doubled[-1])
    results = [f"--size={side}" for side in doubled]
    graphs = ["--cuda-graphs"] if device.startswith("cuda") else []
    median = f"--repeats={repeats}"
    for model in models:
        yield ["upscale", *sizes, median, *graphs, *_common(out, model, device)]
    for model in models:
        plot = f"--plot={out / Path(model).name / 'scaling.png'}"
        yield ["scaling", *results, median, f"--time-limit={SCALING_LIMIT}", plot, *_common(out, model, device)]
    yield ["peers", f"--size={lr_sides[0]}", median, "--only=bicubic", "--networks", *_common(out, models[0], device)]
    for model in models:
        yield ["train", f"--steps={repeats}", *_common(out, model, device)]


def _common(out: Path, model: str, device: str) -> list[str]:
    return [f"--model={model}", f"--device={device}", f"--report={out / Path(model).name}", "--overwrite"]


def main(arguments: list[str] | None = None) -> int:
    """Run what fits into the time; return how many benchmarks failed or were left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=["tiny"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--lr-sides", nargs="+", type=int, default=LR_SIDES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args(arguments)
    started, missing = time.perf_counter(), 0
    sides = tuple(options.lr_sides)
    for command in commands(options.out, options.models, options.device, sides, options.repeats):
        seconds = time.perf_counter() - started
        line = shlex.join(["linearsr", "bench", *command])
        if seconds > BUDGET:
            print(f"left out after {seconds:.0f} s: {line}", flush=True)
            missing += 1
            continue
        print(f"{seconds:.0f} s: {line}", flush=True)
        missing += run(["bench", *command]) != 0
    print(f"{time.perf_counter() - started:.0f} s in all, {missing} failed or left out")
    return missing


if __name__ == "__main__":
    sys.exit(main())
