"""``linearsr bench upscale``: one upscale by its parts."""

from __future__ import annotations

import click

from linearsr.cli.bench.shared import (
    Destination,
    load_pipeline,
    machine_of,
    repeats_option,
    report_options,
    steps_option,
)
from linearsr.cli.options import Runtime, gather, runtime_options
from linearsr.errors import InputError


@click.command("upscale")
@runtime_options
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(8, 8192),
    multiple=True,
    default=[256],
    show_default=True,
    help="Side of the LR image; can be given several times.",
)
@steps_option
@repeats_option(5)
@click.option("--cuda-graphs", is_flag=True, help="Time one evaluation as a CUDA graph too.")
@report_options
@gather(runtime=Runtime, destination=Destination)
def command(
    runtime: Runtime,
    destination: Destination,
    sizes: tuple[int, ...],
    steps: int,
    repeats: int,
    cuda_graphs: bool,
) -> None:
    """Time an upscale by its parts, with parameters, multiply-adds (MAC) and peak memory.

    The floor is the time the multiply-adds would take at the speed of large products or convolutions, measured beside.
    """
    destination.check("upscale")
    from linearsr.bench.upscale import render_upscale, time_upscale

    pipeline = load_pipeline(runtime)
    if cuda_graphs and pipeline.device.type != "cuda":
        raise InputError(f"--cuda-graphs needs a CUDA GPU, not {pipeline.device}", remedy="leave it out")
    machine = machine_of(pipeline)
    timings = [
        time_upscale(pipeline, side=size, steps=steps, repeats=repeats, cuda_graphs=cuda_graphs) for size in sizes
    ]
    values = {"model": pipeline.name, "timings": timings}
    text = render_upscale(timings, machine)
    destination.emit("upscale", machine, values, text)
