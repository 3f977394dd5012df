"""``linearsr knee``: where a training run should have been left."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("knee")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path), help="Write the curves as a picture (.png or .svg).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: Path, plot: Path | None, as_json: bool) -> None:
    """Find the knee of a run: the last checkpoint before validation quality oscillates.

    RUN is the folder of a validated stage. The next stage starts from the step that is printed: the knee, or the last
    validated step while there is none. Where the run logged them, the training loss and statistics of features in the
    middle of the transformer are shown beside it, which tell what the loss alone does not.
    """
    from linearsr.training.validation import DIAGNOSTICS, find_run_knee, read_curves

    knee, start = find_run_knee(run)
    curves = read_curves(run)
    if plot is not None:
        from linearsr.training.knee_plot import plot_knee

        plot_knee(curves, knee, plot)
    found = knee.index is not None
    index = curves["step"].index(start)
    diagnostics = {name: (curves[name][index], curves[name][-1]) for name in DIAGNOSTICS if name in curves}
    if as_json:
        values = {
            "knee": start if found else None,
            "start": start,
            "confidence": knee.confidence,
            "reason": knee.reason,
            "diagnostics": {name: {"start": at, "last": last} for name, (at, last) in diagnostics.items()},
        }
        click.echo(json.dumps(values, indent=2))
        return
    if found:
        click.echo(f"knee at step {start}, confidence {knee.confidence:.2f}: {knee.reason}")
    else:
        click.echo(f"{knee.reason}; the last validated step is {start}")
    for name, (at, last) in diagnostics.items():
        click.echo(f"{name.replace('_', ' ')}: {at:.4g} at step {start}, {last:.4g} at step {curves['step'][-1]:g}")
