"""Write the command line's own help pages as Markdown.

python recipes/cli_reference.py docs/reference/cli.md
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from linearsr.cli.main import VERBS, cli


def render() -> str:
    """Return the help page of every verb, 100 columns wide."""
    pages = ["# Command line\n\nMade by `make docs` from the commands themselves.\n"]
    root = cli.make_context("linearsr", [], resilient_parsing=True, terminal_width=100)
    for verb in VERBS:
        command = cli.get_command(root, verb)
        assert command is not None, verb
        context = click.Context(command, info_name=verb, parent=root, terminal_width=100)
        pages.append(f"## linearsr {verb}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(pages)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
