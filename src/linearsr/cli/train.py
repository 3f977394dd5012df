"""``linearsr train``: the stages of the recipe, one command each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linearsr.cli.train_estimate import show_estimate
from linearsr.cli.train_setup import Setup, stage_options, workspace

if TYPE_CHECKING:
    from linearsr.training.presets import ExpertsName


@click.group("train")
def command() -> None:
    """Train a model, stage by stage; every stage resumes by itself.

    autoencoder, flow, experts, polish, sft, fidelity, detail and distill follow each other in one --run folder; denoise
    stands by itself, polish-denoiser and then cleaned need it and any whole pipeline; export writes the model.
    """


@command.command("autoencoder")
@stage_options
def autoencoder_command(setup: Setup) -> None:
    """Decoder from the LR image alone, then encoder and decoder."""
    from linearsr.training.recipe import train_autoencoder

    with workspace(setup) as work:
        train_autoencoder(work, setup.models())


@command.command("flow")
@click.option("--dry-run", is_flag=True, help="Say what a step takes in memory and time on 1, 8 and 64 GPUs, and stop.")
@stage_options
def flow_command(setup: Setup, dry_run: bool) -> None:
    """One transformer over the whole of t, validated to find its knee."""
    from linearsr.training.recipe import train_flow

    if dry_run:
        recipe = setup.recipe()
        show_estimate(recipe, recipe.flow)
        return
    with workspace(setup) as work:
        train_flow(work, setup.models(experts="on-demand"))  # it takes one of them


@command.command("experts")
@click.option("--split", type=click.Choice(["1", "2", "4-snr", "4-uniform"]), default="4-snr", show_default=True)
@click.option("--from", "start", default="knee", show_default=True, help="Step of flow: knee, latest or a number.")
@click.option("--ablate", type=click.Choice(["naive"]), help="naive: from the latest step, in a folder of its own.")
@click.option("--dry-run", is_flag=True, help="Say what a step takes in memory and time on 1, 8 and 64 GPUs, and stop.")
@stage_options
def experts_command(setup: Setup, split: ExpertsName, start: str, ablate: str | None, dry_run: bool) -> None:
    """Copies of the transformer, each inside its own SNR interval, from the knee of flow."""
    from linearsr.training.recipe import train_experts

    if dry_run:
        recipe = setup.recipe()
        show_estimate(recipe, recipe.expert)
        return
    with workspace(setup) as work:
        train_experts(work, setup.models(), split=split, start=start, naive=ablate == "naive")


@command.command("polish")
@stage_options
def polish_command(setup: Setup) -> None:
    """Decoder and detail experts together, judged by the images they make."""
    from linearsr.training.recipe import train_polish

    with workspace(setup) as work:
        train_polish(work, setup.models())


@command.command("sft")
@click.option("--from", "start", default="knee", show_default=True, help="Step of polish: knee, latest or a number.")
@stage_options
def sft_command(setup: Setup, start: str) -> None:
    """The polish at a low rate on the most detailed photos, from the knee of polish."""
    from linearsr.training.recipe import train_sft

    with workspace(setup) as work:
        train_sft(work, setup.models(), start=start)


@command.command("fidelity")
@stage_options
def fidelity_command(setup: Setup) -> None:
    """A copy of the finished decoder that stays close to the photo: the far end of upscale --fidelity."""
    from linearsr.training.decoder_recipe import train_fidelity

    with workspace(setup) as work:
        train_fidelity(work, setup.models(decoder="faithful"))


@command.command("detail")
@stage_options
def detail_command(setup: Setup) -> None:
    """The decoder of fidelity, trained for the look of its pictures: the near end of upscale --fidelity."""
    from linearsr.training.decoder_recipe import train_detail

    with workspace(setup) as work:
        train_detail(work, setup.models())


@command.command("distill")
@stage_options
def distill_command(setup: Setup) -> None:
    """The expert of the noisiest interval, to do alone what all do in four steps: upscale --steps 1."""
    from linearsr.training.recipe import train_distill

    with workspace(setup) as work:
        train_distill(work, setup.models())


@command.command("denoise")
@stage_options
def denoise_command(setup: Setup) -> None:
    """What takes noise and JPEG blocks out of photos before they are enlarged: upscale --denoise."""
    from linearsr.training.denoiser_recipe import train_denoise

    with workspace(setup) as work:
        train_denoise(work, setup.denoiser())


@command.command("polish-denoiser")
@stage_options
def polish_denoiser_command(setup: Setup) -> None:
    """The denoiser, judged by the images that are made of what it leaves, from denoise and the finished pipeline."""
    from linearsr.training.denoiser_recipe import train_polish_denoiser

    with workspace(setup) as work:
        train_polish_denoiser(work, setup.models())


@command.command("cleaned")
@stage_options
def cleaned_command(setup: Setup) -> None:
    """How the denoiser leaves photos, and a decoder for those, from denoise and the finished pipeline."""
    from linearsr.training.denoiser_recipe import train_cleaned

    with workspace(setup) as work:
        train_cleaned(work, setup.models(decoder="cleaned"))


@command.command("export")
@click.option("--run", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the model.")
@click.option("--stage", help="Folder below the run: sft, polish, experts, ...; default: the last finished one.")
@click.option("--name", default="custom", show_default=True, help="The model's name.")
@click.option("--compact", is_flag=True, help="Experts as int8, autoencoder as bfloat16: a quarter of the size.")
def export_command(run: Path, output: Path, stage: str | None, name: str, compact: bool) -> None:
    """Write the pipeline folder that upscale and from_pretrained read.

    The decoder of fidelity, the cleaned one and the denoiser come with it where the run has them.
    """
    from linearsr.errors import InputError
    from linearsr.pipeline import SRPipeline
    from linearsr.training.finished import finished_decoder, finished_pipeline

    models = finished_pipeline(run, stage)
    if models.experts is None:
        raise InputError(f"stage {stage} of {run} has no experts", remedy="export experts, polish or sft")
    faithful, cleaned = finished_decoder(run, "fidelity"), finished_decoder(run, "cleaned")
    pipeline = SRPipeline(models.autoencoder, models.experts, faithful, models.denoiser, cleaned, name=name)
    pipeline.tag_table = models.tag_table
    pipeline.save_pretrained(output, compact=compact)
    click.echo(f"wrote {output}", err=True)
