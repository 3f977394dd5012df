"""Write the command line's own help pages as Markdown.

python recipes/cli_reference.py docs/reference/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from linearsr.cli.main import VERBS, cli


def render() -> str:
    """Return the help page of every verb and of what is below it, 100 columns wide."""
    pages = ["# Command line\n\nMade by `make docs` from the commands themselves.\n"]
    root = cli.make_context("linearsr", [], resilient_parsing=True, terminal_width=100)
    for verb in VERBS:
        command = cli.get_command(root, verb)
        assert command is not None, verb
        pages += _pages(command, verb, root)
    return "\n".join(pages)


def _pages(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=100)
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    for below, part in getattr(command, "commands", {}).items():
        yield from _pages(part, below, context)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
