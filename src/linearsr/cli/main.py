"""The ``linearsr`` command. A verb's module is imported only when the verb is run, so ``--help`` needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from linearsr import __version__
from linearsr.cli.process import prepare_process
from linearsr.errors import LinearSRError

VERBS = {
    "upscale": "Enlarge photos.",
    "tag": "Name the objects in photos.",
    "compare": "Put the input and results side by side.",
    "eval": "Measure results against references.",
    "train": "Train a model, stage by stage.",
    "knee": "Find where a training run should have been left.",
    "data": "Build and check training data.",
    "convert": "Make a model of published SANA weights.",
    "models": "List the models inside the package.",
    "doctor": "Check this machine and the installation.",
    "bench": "Time this machine, alone and beside others.",
    "ablate": "Measure what each part of the method adds.",
}
INTERRUPTED = 130


class VerbGroup(click.Group):
    """A group whose commands live in ``linearsr.cli.VERB`` as an attribute named ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs, in the order of the help page."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb and return its command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"linearsr.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="linearsr")
def cli() -> None:
    """Make low-resolution photos large and photo-realistic."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 all well, 1 nothing could start, 2 some images failed."""
    prepare_process()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        status = cli.main(arguments, prog_name="linearsr", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 1
    except LinearSRError as error:
        click.echo(f"linearsr: {error}", err=True)
        return error.exit_status
    except (click.Abort, KeyboardInterrupt):
        click.echo("linearsr: interrupted", err=True)
        return INTERRUPTED
    return status if isinstance(status, int) else 0
