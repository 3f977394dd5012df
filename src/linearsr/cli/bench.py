"""``linearsr bench``: how fast, and in how much memory, this machine upscales."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from linearsr.cli.options import Runtime, gather, runtime_options


@click.command("bench")
@runtime_options
@click.option("--size", type=click.IntRange(8, 8192), default=256, show_default=True, help="Side of the LR image.")
@click.option("--steps", type=click.IntRange(1, 1000), default=4, show_default=True)
@click.option("--repeats", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@gather(runtime=Runtime)
def command(runtime: Runtime, size: int, steps: int, repeats: int, as_json: bool) -> None:
    """Time an upscale on this machine, model loaded, and print the peak memory.

    Figures are medians; compare them only within one run on one quiet machine.
    """
    from linearsr.bench.upscale import time_upscale
    from linearsr.pipeline import SRPipeline

    pipeline = SRPipeline.from_pretrained(runtime.model, device=runtime.device_name, precision=runtime.precision_name)
    timing = time_upscale(pipeline, side=size, steps=steps, repeats=repeats)
    if as_json:
        click.echo(json.dumps(asdict(timing), indent=2))
        return
    click.echo(
        f"{size}x{size} -> {4 * size}x{4 * size}, {steps} steps, {timing.device} {timing.precision}, "
        f"{timing.threads} threads, median of {repeats}"
    )
    click.echo(f"  sampling  {timing.sample_seconds:.3f} s  ({timing.sample_seconds / steps:.3f} s a step)")
    click.echo(f"  decoding  {timing.decode_seconds:.3f} s")
    click.echo(f"  total     {timing.total_seconds:.3f} s")
    click.echo(
        f"  memory    {timing.peak_memory / 1e6:.0f} MB at the peak ({timing.estimated_memory / 1e6:.0f} MB expected)"
    )
