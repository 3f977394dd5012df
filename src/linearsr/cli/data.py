"""``linearsr data``: build and check training shards, and look at what degradation does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from linearsr.cli.options import gather
from linearsr.cli.upscale import SOME_FAILED
from linearsr.data.prepare import BuildOptions
from linearsr.data.presets import all_presets

PRESETS = {preset.name: preset for preset in all_presets()}


@click.group("data")
def command() -> None:
    """Build and check training data."""


@command.command("build")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The folder to make.")
@click.option("--origins", type=click.Path(path_type=Path), help="CSV: path (relative to it), source, licence.")
@click.option("--min-side", type=int, default=256, show_default=True, help="Leave out smaller photos.")
@click.option("--crop", type=int, default=0, show_default=True, help="Side of square crops; 0 keeps photos whole.")
@click.option("--crops", type=int, default=1, show_default=True, help="Most crops of a photo: the most textured.")
@click.option("--reduce", type=float, default=1.0, show_default=True, help="Factor to shrink photos by, beforehand.")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of the WebP files.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    help="Photos worked on at once [default: all cores].",
)
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@gather(options=BuildOptions)
def build(
    folders: tuple[Path, ...], output: Path, origins: Path | None, threads: int, quiet: bool, options: BuildOptions
) -> int:
    """Pack the photos in FOLDERS, and in all folders below, into tar shards with a manifest.

    Photos are turned upright; duplicates and near duplicates are left out. A bad photo never stops the others: it is
    named, and the exit status is 2.
    """
    from linearsr.data.build import build_shards

    report = build_shards(folders, output, options, origins=origins, threads=threads, progress=_counter(quiet))
    for path, error in report.failures:
        click.echo(f"failed: {path}: {error}", err=True)
    if report.without_origin:
        click.echo(f"warning: {report.without_origin} photos have no line in {origins}", err=True)
    left_out = "".join(f", {count} {reason}" for reason, count in sorted(report.left_out.items()))
    if not quiet:
        click.echo(
            f"{output}: {report.crops} crops of {report.photos} photos in {report.shards} shards"
            f"{left_out}, {len(report.failures)} failed"
        )
    return SOME_FAILED if report.failures else 0


@command.command("check")
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
def check(shards: Path, quiet: bool) -> int:
    """Read every photo of the folder SHARDS and compare it with the manifest. The exit status is 2 if one is wrong."""
    from linearsr.data.shards import check_shards

    read: list[str] = []
    problems = 0
    for problem in check_shards(shards, read.append):
        problems += 1
        click.echo(f"wrong: {problem}", err=True)
    if not quiet:
        click.echo(f"{shards}: {len(read)} photos read, {problems} problems")
    return SOME_FAILED if problems else 0


@command.command("sheet")
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The picture to write.")
@click.option("--preset", "names", type=click.Choice(list(PRESETS)), multiple=True, help="One row each [default: all].")
@click.option("--seed", type=int, default=0, show_default=True, help="First of the seeds.")
@click.option("--seeds", type=click.IntRange(min=1), default=4, show_default=True, help="How many, side by side.")
@click.option("--side", type=click.IntRange(min=16), default=256, show_default=True, help="Pixels of the photo shown.")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def sheet(photo: Path, output: Path, names: tuple[str, ...], seed: int, seeds: int, side: int, overwrite: bool) -> None:
    """Show what the degradations of training make of the middle of PHOTO."""
    from linearsr.data.sheet import contact_sheet
    from linearsr.files import write_picture
    from linearsr.imaging.codec import decode_rgb8

    chosen = [PRESETS[name] for name in names] or list(PRESETS.values())
    picture = contact_sheet(decode_rgb8(photo), chosen, range(seed, seed + seeds), side=side)
    write_picture(picture, output, overwrite=overwrite)
    click.echo(f"{output}: {', '.join(preset.name for preset in chosen)}")


def _counter(quiet: bool) -> Callable[[Path, int, int], None]:
    def count(path: Path, number: int, total: int) -> None:
        if not quiet:
            click.echo(f"\r{number}/{total} {path.name}\033[K", err=True, nl=number == total)

    return count
