"""``linearsr convert``: published SANA weights become a model folder."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command("convert")
@click.argument("checkpoints", nargs=-1, required=True, type=_PATH)
@click.option("--autoencoder", required=True, type=_PATH, help="Folder of a DC-AE f32c32 in diffusers' layout.")
@click.option("-o", "--output", required=True, type=_PATH, help="Folder to write; must not exist.")
@click.option(
    "--storage",
    type=click.Choice(["float32", "bfloat16", "int8"]),
    default="bfloat16",
    show_default=True,
    help="How the experts are stored.",
)
@click.option(
    "--layout",
    type=click.Choice(["separate", "together", "delta-int8", "delta-bfloat16"]),
    default="separate",
    show_default=True,
    help="A file per expert, one for all, or differences from the first.",
)
@click.option(
    "--text-encoder",
    metavar="FOLDER|HUB_ID",
    help="Gemma-2: it encodes all tags once, and the model is told of tags from then on without it.",
)
@click.option("--tag-list", type=_PATH, help="File with further tags to encode, one a line.")
def command(
    checkpoints: tuple[Path, ...],
    autoencoder: Path,
    output: Path,
    storage: str,
    layout: str,
    text_encoder: str | None,
    tag_list: Path | None,
) -> None:
    """Make a model folder from SANA CHECKPOINTS.

    Name one checkpoint for all four experts, or four, from most noise to least: safetensors or .pth files, or folders
    of safetensors, in diffusers' layout or SANA's own. Nothing in them is executed. The result ignores the LR image
    until it is trained: the weights that read it are new.
    """
    from linearsr.convert import Conversion, convert
    from linearsr.errors import OutputError

    if output.exists():
        raise OutputError(f"{output} exists already", remedy="choose another output")
    conversion = Conversion(
        sources=checkpoints,
        autoencoder=autoencoder,
        output=output,
        storage=storage,  # type: ignore[arg-type]
        layout=layout,  # type: ignore[arg-type]
        name=output.name,
        text_encoder=text_encoder,
        more_tags=() if tag_list is None else _read_tags(tag_list),
    )
    config = convert(conversion).experts.transformer_config
    click.echo(f"{output}: four experts of width {config.width} and depth {config.depth}")


def _read_tags(path: Path) -> list[str]:
    from linearsr.errors import InputError
    from linearsr.tags.words import clean_tag

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", remedy="use a text file with one tag a line") from error
    return [clean_tag(line) for line in lines if line.strip()]
