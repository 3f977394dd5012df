"""``linearsr models``: what can be named with ``--model``."""

from __future__ import annotations

import json

import click

from linearsr.catalog import DEFAULT_MODEL, EMBEDDED, embedded_folder


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the models inside the package.

    Besides these names, --model takes a folder written by save_pretrained or a hub id "owner/name".
    """
    rows = [
        {
            "name": name,
            "default": name == DEFAULT_MODEL,
            "megabytes": round(sum(file.stat().st_size for file in embedded_folder(name).iterdir()) / 1e6, 1),
            "description": description,
        }
        for name, description in EMBEDDED.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        default = " (default)" if row["default"] else ""
        click.echo(f"{row['name']}{default}  {row['megabytes']} MB  {row['description']}")
