"""``linearsr tag``: what is in a photo, in a few plain words."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linearsr.cli.inputs import Found, find_inputs
from linearsr.errors import InputError, LinearSRError

if TYPE_CHECKING:
    from linearsr.tags.tagger import Tagger

SOME_FAILED = 2


@click.command("tag")
@click.argument("inputs", nargs=-1)
@click.option("-r", "--recursive", is_flag=True, help="Descend into folders.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with how sure the tagger is of each tag.")
@click.option(
    "--tagger",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder with RAM or RAM++: checkpoint and tag lists [default: the tagger inside the package].",
)
@click.option("--list", "lists", is_flag=True, help="Print every known tag and stop.")
def command(inputs: tuple[str, ...], recursive: bool, as_json: bool, folder: Path | None, lists: bool) -> int:
    """Name the objects in photos.

    INPUT is a file, a folder, a glob, @list.txt or - for standard input. A bad file never stops the others: the exit
    status is 2 then.
    """
    if lists:
        return _list(as_json)
    if not inputs:
        raise InputError("no image is named", remedy="name files or folders, or use --list")
    images = find_inputs(inputs, recursive=recursive)
    tagger = _tagger(folder)
    rows: list[dict[str, object]] = []
    failed = False
    for found in images:
        try:
            tags = _tags(found, tagger)
        except LinearSRError as error:
            failed = True
            rows.append({"input": found.name, "code": error.code, "message": str(error)})
            click.echo(f"failed: {found.name}: {error}", err=True)
            continue
        rows.append({"input": found.name, "tags": [{"tag": name, "score": round(score, 4)} for name, score in tags]})
        if not as_json:
            click.echo(f"{found.name}: {', '.join(name for name, _ in tags) or 'no tags'}")
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    return SOME_FAILED if failed else 0


def _tagger(folder: Path | None) -> Tagger:
    if folder is not None:
        from linearsr.tags.ram import load_ram_tagger

        return load_ram_tagger(folder)
    from linearsr.tags.tagger import load_tagger

    return load_tagger()


def _tags(found: Found, tagger: Tagger) -> list[tuple[str, float]]:
    from linearsr.imaging.codec import decode
    from linearsr.tags.tagger import seen_by_tagger

    source = sys.stdin.buffer.read() if found.path is None else found.path
    return [(tag.name, tag.score) for tag in tagger.tag(seen_by_tagger(decode(source)))]


def _list(as_json: bool) -> int:
    from linearsr.tags.vocabulary import load_vocabulary

    tags = load_vocabulary().tags
    click.echo(json.dumps(tags, indent=2) if as_json else "\n".join(tags))
    return 0
