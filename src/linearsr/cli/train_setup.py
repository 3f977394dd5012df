"""The options that all stages of ``linearsr train`` share, and the run that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from linearsr.cli.options import Callback, gather
from linearsr.cli.train_feedback import choose_training_feedback

if TYPE_CHECKING:
    from linearsr.expert_files import Residency
    from linearsr.models.denoiser import Denoiser
    from linearsr.training.config import Execution, StageConfig
    from linearsr.training.models import Models
    from linearsr.training.plans import Recipe
    from linearsr.training.presets import PresetName
    from linearsr.training.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The options that all stages share; None leaves the preset as it is."""

    run: Path
    photos: Path
    perceptual: Path
    preset: PresetName
    start_from: str | None
    steps: int | None
    batch: int | None
    learning_rate: float | None
    optimizer: Literal["adamw", "came"] | None
    device: str
    live: bool | None
    precision: Literal["auto", "fp32", "bf16"]
    accumulate: int
    compiled: bool
    recompute: bool
    parallelism: Literal["ddp", "fsdp"]
    boards: tuple[Literal["tensorboard", "wandb"], ...]
    quiet: bool

    def recipe(self) -> Recipe:
        """The preset with every stage as the options say."""
        from linearsr.training.presets import preset

        return preset(self.preset).with_stages(self._adjusted)

    def models(
        self, *, decoder: Literal["faithful", "cleaned"] | None = None, experts: Residency = "resident"
    ) -> Models | None:
        """The networks of the model to start from, if one is named; ``decoder`` names one to prefer, if it has it."""
        if self.start_from is None:
            return None
        from linearsr.hub import find_model, load_model
        from linearsr.training.models import Models

        parts = load_model(find_model(self.start_from), experts=experts)
        preferred = None if decoder is None else getattr(parts, decoder)
        if preferred is not None:
            parts.autoencoder.decoder = preferred
        return Models(
            autoencoder=parts.autoencoder, experts=parts.experts, tag_table=parts.tag_table, denoiser=parts.denoiser
        )

    def denoiser(self) -> Denoiser | None:
        """That of the model to start from, if one is named.

        Raises:
            InputError: if it has none.
        """
        if self.start_from is None:
            return None
        from linearsr.errors import InputError
        from linearsr.hub import find_model, load_model

        found = load_model(find_model(self.start_from), experts="on-demand").denoiser
        if found is None:
            raise InputError(f"the model {self.start_from} has no denoiser", remedy="leave --start-from out")
        return found

    def execution(self) -> Execution:
        """How steps are computed on the device that is asked for."""
        from linearsr.devices import choose_autocast, choose_device
        from linearsr.training.config import Execution

        device = choose_device(self.device)
        return Execution(
            device=str(device),
            precision=choose_autocast(self.precision, device),
            compiled=self.compiled,
            recompute=self.recompute,
            accumulate=self.accumulate,
        )

    def _adjusted(self, stage: StageConfig) -> StageConfig:
        names = ("steps", "batch", "learning_rate", "optimizer")
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(stage, execution=self.execution(), **changes)


@contextmanager
def workspace(setup: Setup) -> Iterator[Workspace]:
    """Join the other ranks, if there are any, and lay out the run folder; only the main rank speaks."""
    from linearsr.training import distributed
    from linearsr.training.distributed import Parallelism
    from linearsr.training.loop import Watch
    from linearsr.training.workspace import Workspace

    with distributed.joined():
        quiet = setup.quiet or not distributed.is_main()
        with choose_training_feedback(quiet=quiet) as feedback:
            recipe = setup.recipe()
            device = recipe.base.execution.device
            yield Workspace(
                run=setup.run,
                photos=setup.photos,
                perceptual=setup.perceptual,
                recipe=recipe,
                device=device,
                live=device.startswith("cuda") if setup.live is None else setup.live,
                parallelism=Parallelism(mode=setup.parallelism),
                watch=Watch(boards=setup.boards, on_step=feedback.stepped),
                tell=feedback.tell if distributed.is_main() else _say_nothing,
            )


def stage_options(callback: Callback) -> Callable[..., Any]:
    """Add the options of :class:`Setup` to a command, which receives them as ``setup``."""
    folder = click.Path(path_type=Path, file_okay=False)
    options = (
        click.option("--run", required=True, type=folder, help="Folder of the run, with one folder per stage."),
        click.option("--photos", required=True, type=folder, help="Shards, a folder of photos, or hf:OWNER/NAME."),
        click.option("--perceptual", required=True, type=folder, help="Folder of the LPIPS and DISTS trunks."),
        click.option(
            "--preset",
            type=click.Choice(["tiny", "ci", "sana-600m", "sana-1600m"]),
            default="tiny",
            show_default=True,
            help="sana-* start from published weights: --start-from.",
        ),
        click.option("--start-from", help="Start from this model (name, folder or hub id), not from the stage before."),
        click.option("--steps", type=click.IntRange(min=1), help="Steps, of each part where a stage has several."),
        click.option("--batch", type=click.IntRange(min=1), help="Crops per step, over all ranks."),
        click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="Peak learning rate."),
        click.option(
            "--optimizer", type=click.Choice(["adamw", "came"]), help="adamw, or came (needs linearsr[came])."
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
        click.option("--live/--pool", default=None, help="Degrade for every step (default on a GPU), or beforehand."),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16"]),
            default="auto",
            show_default=True,
            help="auto is bf16 (autocast) on a GPU, or a CPU fast in it; fp32 elsewhere.",
        ),
        click.option(
            "--accumulate", type=click.IntRange(min=1), default=1, show_default=True, help="Parts of a batch."
        ),
        click.option("--compile", "compiled", is_flag=True, help="Run the networks through torch.compile."),
        click.option("--recompute", is_flag=True, help="Keep fewer activations, compute them again: less memory."),
        click.option(
            "--parallelism",
            type=click.Choice(["ddp", "fsdp"]),
            default="ddp",
            show_default=True,
            help="How the processes of torchrun share the model.",
        ),
        click.option(
            "--board", "boards", multiple=True, type=click.Choice(["tensorboard", "wandb"]), help="Repeatable."
        ),
        click.option("-q", "--quiet", is_flag=True, help="No progress."),
    )
    decorated = gather(setup=Setup)(callback)
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def _say_nothing(line: str) -> None:
    """What ranks other than the main one say."""
