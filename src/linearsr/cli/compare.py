"""``linearsr compare``: the input and the result in one picture."""

from __future__ import annotations

from pathlib import Path

import click

from linearsr.errors import InputError
from linearsr.files import write_picture
from linearsr.imaging.montage import Region, side_by_side


def _read_region(ctx: click.Context, param: click.Parameter, value: str | None) -> Region | None:
    """Return left, top, width and height as fractions of the picture."""
    if value is None:
        return None
    try:
        x, y, width, height = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not four numbers", ctx, param) from None
    if min(x, y) < 0 or min(width, height) <= 0 or x + width > 1 or y + height > 1:
        raise click.BadParameter(f"{value!r} reaches outside the picture (0 to 1)", ctx, param)
    return x, y, width, height


@click.command("compare")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The picture to write.")
@click.option(
    "--crop",
    callback=_read_region,
    metavar="X,Y,WIDTH,HEIGHT",
    help="Part to show, in fractions of the picture.",
)
@click.option("--labels", help="Comma-separated captions, one per picture [default: file names].")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def command(
    before: Path,
    after: tuple[Path, ...],
    output: Path,
    crop: Region | None,
    labels: str | None,
    overwrite: bool,
) -> None:
    """Put pictures of the same scene side by side, enlarged to the largest of them.

    BEFORE is enlarged with a bicubic filter; each AFTER is shown beside it.
    """
    paths = (before, *after)
    captions = [path.name for path in paths] if labels is None else [label.strip() for label in labels.split(",")]
    if len(captions) != len(paths):
        raise InputError(f"{len(captions)} labels for {len(paths)} pictures", remedy="give one label per picture")
    write_picture(side_by_side(paths, captions, crop=crop), output, overwrite=overwrite)
    click.echo(f"{output}: {' | '.join(captions)}")
