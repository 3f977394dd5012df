"""``linearsr bench``: how fast, and in how much memory, this machine works; alone, it times an upscale."""

from __future__ import annotations

import click

from linearsr.cli.bench import peers, scaling, train, upscale
from linearsr.cli.options import RememberedGroup


class BenchGroup(RememberedGroup):
    """Runs ``upscale`` when no benchmark is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default benchmark in front of bare options."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["upscale", *args]
        return super().parse_args(ctx, args)


@click.group("bench", cls=BenchGroup)
def command() -> None:
    """Time this machine; `linearsr bench` alone is `linearsr bench upscale`.

    Figures are medians; compare them only within one run on one quiet machine.
    """


for benchmark in (upscale, scaling, peers, train):
    command.add_command(benchmark.command)
