"""``linearsr eval``: how good outputs are, as a table of methods and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from linearsr.cli.options import RememberedCommand, gather
from linearsr.errors import InputError, OutputError
from linearsr.imaging.atomic import write_atomically

if TYPE_CHECKING:
    from linearsr.evaluation.datasets import ImageSet
    from linearsr.evaluation.folders import Method
    from linearsr.evaluation.report import Results
    from linearsr.evaluation.runner import Progress

Form = Literal["md", "csv", "json", "html"]
FORMS: tuple[Form, ...] = ("md", "csv", "json", "html")
DATASETS = ("realsr", "drealsr", "div2k-val", "reallq250", "realset80", "folder")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where references and inputs come from: a folder of references, a test set by name, or nowhere."""

    reference: Path | None
    dataset: str | None
    root: Path | None

    def __post_init__(self) -> None:
        if self.reference is not None and self.dataset is not None:
            raise InputError("--reference and --dataset exclude each other", remedy="a set has its own references")
        if (self.dataset is None) != (self.root is None):
            raise InputError("--dataset and --root belong together", remedy="pass the set's name and its folder")


@dataclass(frozen=True, kw_only=True)
class Making:
    """Outputs to be made first: by which models, and how."""

    upscale: tuple[str, ...]
    outputs: Path
    steps: int
    seed: int
    device: str


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is measured."""

    metrics: str
    weights: Path | None
    border: int
    against: str | None


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Where the results go; ``output`` may name several files, ``crops`` is for the HTML page."""

    form: Form | None
    output: tuple[Path, ...]
    crops: int
    overwrite: bool
    quiet: bool

    def check(self) -> None:
        """See that nothing would be overwritten, before hours of measuring."""
        for path in self.output:
            if path.exists() and not self.overwrite:
                raise OutputError(f"{path} exists already", remedy="pass --overwrite or choose another output")

    def form_of(self, path: Path) -> Form:
        """The format of one file: that of --format, else of its suffix, else Markdown."""
        by_suffix: dict[str, Form] = {f".{form}": form for form in FORMS}
        return self.form or by_suffix.get(path.suffix.lower(), "md")


@click.command("eval", cls=RememberedCommand)
@click.argument("methods", nargs=-1, metavar="[NAME=]FOLDER...")
@click.option("-r", "--reference", type=click.Path(path_type=Path), help="Folder of references.")
@click.option("--dataset", type=click.Choice(DATASETS), help="Test set whose layout is known, instead of --reference.")
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the test set.")
@click.option("--upscale", multiple=True, metavar="[NAME=]MODEL", help="Make outputs first; bicubic is a model here.")
@click.option(
    "--outputs",
    type=click.Path(path_type=Path),
    default="outputs",
    show_default=True,
    help="Where --upscale keeps outputs; those that exist are not made again.",
)
@click.option("--steps", type=int, default=4, show_default=True, help="Sampling steps of --upscale.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of --upscale.")
@click.option("--device", default="auto", show_default=True, help="Where --upscale runs: auto, cpu, cuda, cuda:N, mps.")
@click.option(
    "-m",
    "--metrics",
    default="psnr,ssim",
    show_default=True,
    help="psnr, psnr_rgb, ssim, ssim_rgb, ms_ssim, gmsd, lpips, lpips_vgg, dists, niqe, brisque, and those of pyiqa.",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Folder of the weights that lpips and those after it need."
)
@click.option("--border", type=int, default=0, show_default=True, help="Pixels left out by the metrics before lpips.")
@click.option("--against", metavar="NAME", help="Test the other methods against this one (paired; needs scipy).")
@click.option("-f", "--format", "form", type=click.Choice(FORMS), help="[default: by the suffix of --output, else md]")
@click.option(
    "-o",
    "--output",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write to this file; repeatable.",
)
@click.option(
    "--crops", type=click.IntRange(min=0), default=8, show_default=True, help="Places of difference on the HTML page."
)
@click.option("--overwrite", is_flag=True, help="Replace existing reports.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@gather(source=Source, making=Making, measuring=Measuring, writing=Writing)
def command(methods: tuple[str, ...], source: Source, making: Making, measuring: Measuring, writing: Writing) -> None:
    """Measure folders of results, against references or without.

    Every FOLDER is one method, named after the folder or by NAME=; its images are matched to the references by name.
    PSNR and SSIM are taken on the luma (BT.601), psnr_rgb and ssim_rgb on all channels. niqe, brisque and many
    metrics of pyiqa need no reference.
    """
    from linearsr.evaluation.choice import choose_metrics
    from linearsr.evaluation.paired import check_baseline, compare_with
    from linearsr.evaluation.report import Results
    from linearsr.evaluation.runner import evaluate

    writing.check()
    names = [name.strip() for name in measuring.metrics.split(",")]
    metrics = choose_metrics(names, weights=measuring.weights, border=measuring.border)
    images = _open(source)
    found = _collect(methods, images, making, writing)
    if measuring.against is not None:
        check_baseline(measuring.against, [method.name for method in found])
    scores = evaluate(found, images.references, metrics, _progress(writing))
    tests = [] if measuring.against is None else compare_with(measuring.against, scores, metrics)
    called = click.get_current_context().obj
    _deliver(Results(methods=scores, metrics=metrics, tests=tests, command=called), found, images, writing)


def _open(source: Source) -> ImageSet:
    from linearsr.evaluation.datasets import ImageSet, open_dataset
    from linearsr.evaluation.folders import find_images

    if source.dataset is None or source.root is None:
        references = {} if source.reference is None else find_images(source.reference)
        return ImageSet(name="folder", inputs={}, references=references, marks=())
    images = open_dataset(source.dataset, source.root)
    if images.remark is not None:
        click.echo(f"warning: {images.remark}", err=True)
    return images


def _collect(arguments: tuple[str, ...], images: ImageSet, making: Making, writing: Writing) -> list[Method]:
    """The methods named on the command line, making the outputs of those that are models."""
    from linearsr.evaluation.folders import Method, find_images

    folders = [_split(argument) for argument in arguments]
    models = [_split(argument) for argument in making.upscale]
    names = [name for name, _ in (*folders, *models)]
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"methods {', '.join(names)!r} are not one or more different names",
            remedy="name folders of outputs, or models with --upscale; NAME=FOLDER tells two of one name apart",
        )
    found = [Method(name=name, outputs=find_images(Path(folder), images.marks)) for name, folder in folders]
    return [*found, *(_make(name, model, images, making, writing) for name, model in models)]


def _make(name: str, model: str, images: ImageSet, making: Making, writing: Writing) -> Method:
    from linearsr.evaluation.outputs import Maker, make_outputs
    from linearsr.request import UpscaleRequest

    if not images.inputs:
        raise InputError("--upscale has no inputs", remedy="pass --dataset folder --root FOLDER; lr/ and hr/ go in it")
    request = UpscaleRequest(steps=making.steps, seed=making.seed, depth="8", alpha="drop", metadata="strip")
    maker = Maker(name=name, model=model, device=making.device)
    return make_outputs(maker, images, making.outputs, request, _progress(writing))


def _split(argument: str) -> tuple[str, str]:
    """Name and place of a method: those of NAME=PLACE, or the place and its last part."""
    name, equals, place = argument.partition("=")
    if equals and name and not Path(argument).exists():
        return name, place
    return Path(argument).resolve().name, argument


def _progress(writing: Writing) -> Progress:
    def show(key: str, number: int, total: int) -> None:
        if not writing.quiet:
            click.echo(f"\r{number}/{total} {key}\033[K", err=True, nl=number == total)

    return show


def _deliver(results: Results, methods: list[Method], images: ImageSet, writing: Writing) -> None:
    if not writing.output:
        click.echo(_render(results, methods, images, writing.form or "md", writing.crops), nl=False)
    for path in writing.output:
        text = _render(results, methods, images, writing.form_of(path), writing.crops)
        write_atomically(path, text.encode(), overwrite=writing.overwrite)


def _render(results: Results, methods: list[Method], images: ImageSet, form: Form, crops: int) -> str:
    from linearsr.evaluation.crops import cut_crops, find_places
    from linearsr.evaluation.page import html
    from linearsr.evaluation.report import csv_text, json_text, markdown

    if form != "html":
        return {"md": markdown, "csv": csv_text, "json": json_text}[form](results)
    places = find_places(methods, images.references, crops) if crops else []
    cut = [cut_crops(place, methods, images.references, images.inputs) for place in places]
    return html(results, cut, title=f"{images.name}: {', '.join(method.name for method in methods)}")
