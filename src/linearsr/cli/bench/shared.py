"""What every benchmark's command takes and makes: a model on a device, and a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linearsr.cli.options import Callback, Runtime
from linearsr.errors import OutputError
from linearsr.imaging.atomic import write_atomically

if TYPE_CHECKING:
    from linearsr.bench.machine import Machine
    from linearsr.pipeline import SRPipeline


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a report goes."""

    as_json: bool
    report: Path | None
    overwrite: bool

    def check(self, name: str) -> None:
        """Refuse before the work what would be refused after it."""
        for path in self._files(name):
            self.check_file(path)

    def check_file(self, path: Path) -> None:
        """Refuse to replace a file unasked."""
        if path.exists() and not self.overwrite:
            raise OutputError(f"{path} exists already", remedy="pass --overwrite or choose another place")

    def emit(self, name: str, machine: Machine, values: Mapping[str, object], text: str) -> None:
        """Print a report, and write it as JSON and Markdown where a folder is given."""
        from linearsr.bench.report import Report

        command = click.get_current_context().obj
        report = Report(name=name, command=command, machine=machine, values=values, text=text)
        for path, content in zip(self._files(name), (report.json(), report.markdown()), strict=False):
            write_atomically(path, content.encode(), overwrite=self.overwrite)
        click.echo(report.json() if self.as_json else report.markdown(), nl=False)

    def _files(self, name: str) -> list[Path]:
        return [] if self.report is None else [self.report / f"{name}.json", self.report / f"{name}.md"]


def report_options(callback: Callback) -> Callback:
    """Add the options of :class:`Destination` to a command."""
    options = (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--report", type=click.Path(path_type=Path), help="Folder for the report, as .json and .md."),
        click.option("--overwrite", is_flag=True, help="Replace files that exist."),
    )
    for option in reversed(options):
        callback = option(callback)
    return callback


def repeats_option(default: int) -> Callback:
    """``--repeats``."""
    return click.option(
        "--repeats",
        type=click.IntRange(1, 1000),
        default=default,
        show_default=True,
        help="The median of that many runs counts.",
    )


steps_option = click.option(
    "--steps", type=click.IntRange(1, 1000), default=4, show_default=True, help="Sampling steps of LinearSR."
)


def load_pipeline(runtime: Runtime) -> SRPipeline:
    """Load the model that the options name, where they say."""
    from linearsr.pipeline import SRPipeline

    return SRPipeline.from_pretrained(runtime.model, device=runtime.device_name, precision=runtime.precision_name)


def machine_of(pipeline: SRPipeline) -> Machine:
    """Describe the device of a pipeline in its precision."""
    from linearsr.bench.machine import describe_machine

    return describe_machine(pipeline.device, pipeline.dtype)
