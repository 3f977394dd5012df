"""``linearsr ablate``: what each part of the method adds, one command a question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from linearsr.cli.eval import DATASETS
from linearsr.cli.options import Callback, RememberedGroup, Runtime, gather, runtime_options
from linearsr.cli.train_feedback import choose_training_feedback
from linearsr.errors import OutputError
from linearsr.imaging.atomic import write_atomically

if TYPE_CHECKING:
    from linearsr.ablation.frame import Ablation
    from linearsr.ablation.training import Trial
    from linearsr.evaluation.metrics import Metric
    from linearsr.evaluation.runner import Progress
    from linearsr.pipeline import SRPipeline


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Which pairs are measured, how, and where pictures and runs are kept."""

    dataset: str
    root: Path
    every: int
    metrics: str
    weights: Path | None
    seed: int
    work: Path
    quiet: bool

    def chosen_metrics(self) -> list[Metric]:
        """The metrics by their names."""
        from linearsr.evaluation.choice import choose_metrics

        return choose_metrics([name.strip() for name in self.metrics.split(",")], weights=self.weights)

    def progress(self) -> Progress:
        """What shows how far the pictures are."""

        def show(key: str, number: int, total: int) -> None:
            if not self.quiet:
                click.echo(f"\r{number}/{total} {key}\033[K", err=True, nl=number == total)

        return show


@dataclass(frozen=True, kw_only=True)
class Report:
    """The folder that gets KIND.json, KIND.md and KIND.svg; without it, Markdown is printed."""

    report: Path | None
    overwrite: bool

    def check(self, kind: str) -> None:
        """Refuse before the work what would be refused after it."""
        for path in self.files(kind):
            if path.exists() and not self.overwrite:
                raise OutputError(f"{path} exists already", remedy="pass --overwrite or choose another folder")

    def files(self, kind: str) -> list[Path]:
        """What is written for a kind of ablation."""
        return [] if self.report is None else [self.report / f"{kind}.{form}" for form in ("json", "md", "svg")]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What short runs learn from, and how short they are."""

    photos: Path
    preset: Literal["tiny", "ci"]
    start_steps: int
    steps: int
    batch: int
    crops: int
    live: bool


def pairs_options(callback: Callback) -> Callable[..., Any]:
    """Add the options of :class:`Pairs`, :class:`Report` and the model, which arrive as those."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--dataset", type=click.Choice(DATASETS), default="folder", show_default=True),
        click.option("--root", required=True, type=path, help="Folder of the set: pairs of scale 4."),
        click.option(
            "--every", type=click.IntRange(min=1), default=1, show_default=True, help="Use one of so many pairs."
        ),
        click.option("-m", "--metrics", default="psnr,ssim", show_default=True, help="Those of linearsr eval."),
        click.option("--weights", type=path, help="Folder of the weights that lpips and others need, and training."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sampling, for every variant."),
        click.option(
            "--work", type=path, default="ablation", show_default=True, help="Where pictures and runs are kept."
        ),
        click.option("-q", "--quiet", is_flag=True, help="No progress."),
        click.option("--report", type=path, help="Write KIND.json, KIND.md and KIND.svg into this folder."),
        click.option("--overwrite", is_flag=True, help="Replace existing reports."),
    )
    decorated = gather(runtime=Runtime, pairs=Pairs, report=Report)(callback)
    for option in reversed(options):
        decorated = option(decorated)
    return runtime_options(decorated)


def training_options(callback: Callback) -> Callable[..., Any]:
    """Add the options of :class:`Training`, which arrive as ``training``."""
    options = (
        click.option("--photos", required=True, type=click.Path(path_type=Path), help="As for linearsr train."),
        click.option("--preset", type=click.Choice(["tiny", "ci"]), default="tiny", show_default=True),
        click.option("--start-steps", type=int, default=300, show_default=True, help="Steps that all variants share."),
        click.option("--steps", type=int, default=160, show_default=True, help="Steps of each variant after those."),
        click.option("--batch", type=int, default=8, show_default=True, help="Crops per step."),
        click.option("--crops", type=int, default=8, show_default=True, help="Crops scored at each validation."),
        click.option("--live", is_flag=True, help="Degrade photos for every step, not once beforehand."),
    )
    decorated = gather(training=Training)(callback)
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


@click.group("ablate", cls=RememberedGroup)
def command() -> None:
    """Measure what a part of the method adds: everything else equal, on the same pairs, tested image by image.

    steps, fidelity and decoder examine a finished model. esgf, experts, attention and guidance train short runs of
    equal budget from one common start, which --work keeps: the same command again goes on where it was interrupted.
    """


@command.command("steps")
@pairs_options
def steps_command(runtime: Runtime, pairs: Pairs, report: Report) -> None:
    """1, 2, 4, 8 and 20 sampling steps."""
    from linearsr.ablation.sampling import ablate_steps

    _measure("steps", lambda: ablate_steps(_pipeline(runtime)), runtime, pairs, report)


@command.command("fidelity")
@pairs_options
def fidelity_command(runtime: Runtime, pairs: Pairs, report: Report) -> None:
    """Fidelity from 0 to 1, in quarters."""
    from linearsr.ablation.sampling import ablate_fidelity

    _measure("fidelity", lambda: ablate_fidelity(_pipeline(runtime)), runtime, pairs, report)


@command.command("decoder")
@pairs_options
def decoder_command(runtime: Runtime, pairs: Pairs, report: Report) -> None:
    """The decoder with and without LR features, with a sampled, the mean and the reference's latent."""
    from linearsr.ablation.sampling import ablate_decoder

    _measure("decoder", lambda: ablate_decoder(_pipeline(runtime)), runtime, pairs, report)


@command.command("esgf")
@training_options
@pairs_options
@click.option("--from", "step", type=click.IntRange(min=1), help="A validated step of the start, in place of its knee.")
def esgf_command(runtime: Runtime, pairs: Pairs, report: Report, training: Training, step: int | None) -> None:
    """Experts from the knee of the stage before, from its latest step, or none."""
    from linearsr.ablation.training import ablate_esgf

    _train("esgf", lambda trial: ablate_esgf(trial, step), runtime, pairs, report, training)


@command.command("experts")
@training_options
@pairs_options
def experts_command(runtime: Runtime, pairs: Pairs, report: Report, training: Training) -> None:
    """One expert, two, four by SNR, four of equal length, or none."""
    from linearsr.ablation.training import ablate_experts

    _train("experts", ablate_experts, runtime, pairs, report, training)


@command.command("attention")
@training_options
@pairs_options
def attention_command(runtime: Runtime, pairs: Pairs, report: Report, training: Training) -> None:
    """Linear attention and softmax attention, trained alike."""
    from linearsr.ablation.training import ablate_attention

    _train("attention", ablate_attention, runtime, pairs, report, training)


@command.command("guidance")
@training_options
@pairs_options
def guidance_command(runtime: Runtime, pairs: Pairs, report: Report, training: Training) -> None:
    """No guidance, a long caption, image features, tags; right tags, none, and wrong ones."""
    from linearsr.ablation.guidance import ablate_guidance

    _train("guidance", ablate_guidance, runtime, pairs, report, training)


def _pipeline(runtime: Runtime) -> SRPipeline:
    from linearsr.pipeline import SRPipeline

    return SRPipeline.from_pretrained(runtime.model, device=runtime.device_name, precision=runtime.precision_name)


def _train(
    kind: str,
    ablate: Callable[[Trial], Ablation],
    runtime: Runtime,
    pairs: Pairs,
    report: Report,
    training: Training,
) -> None:
    with _trial(runtime, pairs, training) as trial:
        _measure(kind, lambda: ablate(trial), runtime, pairs, report)


@contextmanager
def _trial(runtime: Runtime, pairs: Pairs, training: Training) -> Iterator[Trial]:
    from linearsr.ablation.training import Budget, Trial
    from linearsr.errors import InputError
    from linearsr.training.config import Execution
    from linearsr.training.loop import Watch
    from linearsr.training.presets import preset
    from linearsr.training.workspace import Workspace

    if pairs.weights is None:
        raise InputError("training needs --weights", remedy="make them with recipes/perceptual_weights.py")
    pipeline = _pipeline(replace(runtime, precision="fp32"))
    budget = Budget(start=training.start_steps, steps=training.steps, batch=training.batch, crops=training.crops)
    recipe = replace(preset(training.preset), transformer_model=pipeline.experts.transformer_config)
    execution = Execution(device=str(pipeline.device))
    with choose_training_feedback(quiet=pairs.quiet) as feedback:
        work = Workspace(
            run=pairs.work / "run",
            photos=training.photos,
            perceptual=pairs.weights,
            recipe=budget.applied_to(recipe.with_stages(lambda stage: replace(stage, execution=execution))),
            device=str(pipeline.device),
            live=training.live,
            watch=Watch(on_step=feedback.stepped),
            tell=feedback.tell,
        )
        trial = Trial(work=work, budget=budget, autoencoder=pipeline.autoencoder)
        trial.check()
        yield trial


def _measure(kind: str, build: Callable[[], Ablation], runtime: Runtime, pairs: Pairs, report: Report) -> None:
    from linearsr.ablation.frame import every_nth, run_ablation
    from linearsr.ablation.plot import plot_findings
    from linearsr.ablation.report import json_text, markdown
    from linearsr.evaluation.datasets import open_dataset

    report.check(kind)
    metrics = pairs.chosen_metrics()
    images = every_nth(open_dataset(pairs.dataset, pairs.root), pairs.every)
    outputs = pairs.work / "outputs" / kind
    called = click.get_current_context().obj
    findings = run_ablation(
        build(),
        images,
        metrics,
        outputs=outputs,
        seed=pairs.seed,
        command=called,
        on_image=pairs.progress(),
    )
    text = markdown(findings)
    files = report.files(kind)
    if not files:
        click.echo(text, nl=False)
        return
    contents = (json_text(findings, runtime.model).encode(), text.encode(), plot_findings(findings))
    for path, content in zip(files, contents, strict=True):
        write_atomically(path, content, overwrite=report.overwrite)
