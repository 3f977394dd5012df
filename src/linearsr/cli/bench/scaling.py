"""``linearsr bench scaling``: linear attention beside softmax attention, as images grow."""

from __future__ import annotations

from pathlib import Path

import click

from linearsr.cli.bench.shared import Destination, load_pipeline, machine_of, repeats_option, report_options
from linearsr.cli.options import Runtime, gather, runtime_options
from linearsr.errors import InputError
from linearsr.imaging.atomic import write_atomically

_POSITIVE = click.FloatRange(0, min_open=True)


@click.command("scaling")
@runtime_options
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(32, 32_768),
    multiple=True,
    default=[512, 1024, 2048, 4096, 8192],
    show_default=True,
    help="Side of the result, a multiple of 32; can be given several times.",
)
@repeats_option(3)
@click.option(
    "--time-limit",
    type=_POSITIVE,
    default=120,
    show_default=True,
    help="Seconds: a model goes no further where one evaluation is expected to take longer.",
)
@click.option("--memory-limit", type=_POSITIVE, default=16, show_default=True, help="The same in GB of peak memory.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw time and memory over tokens (.png, .svg or .pdf).")
@report_options
@gather(runtime=Runtime, destination=Destination)
def command(
    runtime: Runtime,
    destination: Destination,
    sizes: tuple[int, ...],
    repeats: int,
    time_limit: float,
    memory_limit: float,
    plot: Path | None,
) -> None:
    """Time one evaluation at growing sizes: linear attention beside its softmax twin, with log-log slopes."""
    destination.check("scaling")
    _check(sizes, plot, destination)
    from linearsr.bench.scaling import Limits, fit_slopes, measure_scaling, render_scaling

    pipeline = load_pipeline(runtime)
    machine = machine_of(pipeline)
    limits = Limits(seconds=time_limit, memory=round(memory_limit * 1e9))
    points = []
    for point in measure_scaling(pipeline.experts.expert_at(1.0), sides=sizes, repeats=repeats, limits=limits):
        click.echo(f"{point.side} px, {point.attention}: {point.skipped or f'{point.seconds:.3g} s'}", err=True)
        points.append(point)
    if plot is not None:
        from linearsr.bench.scaling_plot import plot_scaling

        write_atomically(plot, plot_scaling(points, plot.suffix[1:].lower()), overwrite=destination.overwrite)
    values = {"model": pipeline.name, "limits": limits, "points": points, "slopes": fit_slopes(points)}
    text = render_scaling(points, machine)
    destination.emit("scaling", machine, values, text)


def _check(sizes: tuple[int, ...], plot: Path | None, destination: Destination) -> None:
    """Refuse at once what would fail after minutes of work."""
    uneven = [size for size in sizes if size % 32]
    if uneven:
        raise InputError(f"--size {uneven[0]} is not a multiple of 32", remedy=f"use {uneven[0] // 32 * 32 + 32}")
    if plot is not None:
        from linearsr.bench.scaling_plot import plot_scaling

        destination.check_file(plot)
        plot_scaling([], plot.suffix[1:].lower())
