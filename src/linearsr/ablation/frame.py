"""What every ablation is: variants with equal budget and seeds, on the same pairs, measured and tested alike.

A kind of ablation is a function that returns an :class:`Ablation`; :func:`run_ablation` does the rest. Pictures lie in
``FOLDER/VARIANT/KEY.png``; the file ``made_by.json`` beside them is written last and says by what they were made, so
that those of an interrupted run are finished and those of another model are never taken for this one's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from linearsr.ablation.subject import Subject
from linearsr.errors import DataError, InputError
from linearsr.evaluation.datasets import ImageSet
from linearsr.evaluation.folders import Method, read_pixels
from linearsr.evaluation.metrics import Metric, Pixels
from linearsr.evaluation.outputs import STAMP
from linearsr.evaluation.paired import check_baseline, compare_with
from linearsr.evaluation.report import Results
from linearsr.evaluation.runner import MethodScores, Progress, evaluate
from linearsr.files import write_picture
from linearsr.imaging.atomic import write_atomically
from linearsr.imaging.picture import Picture

NO_TRAINING = "no training"
"""The budget of a variant that only uses a finished model."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row: its name, what was spent on it, and what trains it as far as it is not, and returns it."""

    name: str
    budget: str
    prepare: Callable[[], Subject]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A question and the variants that answer it; every other one is tested against ``baseline``."""

    kind: str
    question: str
    variants: Sequence[Variant]
    baseline: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a report says of a variant besides its scores."""

    name: str
    budget: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """An ablation's rows and their scores; the last metric is the error of the latent."""

    ablation: Ablation
    rows: Sequence[Row]
    results: Results


def every_nth(images: ImageSet, step: int) -> ImageSet:
    """Return the set with the first of every ``step`` pairs, in the order of their names.

    Raises:
        InputError: if the set has no references.
    """
    if not images.references:
        raise InputError(f"the set {images.name} has no references", remedy="name a folder with lr/ and hr/")
    keys = sorted(images.references)[::step]
    inputs, references = ({key: of[key] for key in keys} for of in (images.inputs, images.references))
    return replace(images, inputs=inputs, references=references)


def run_ablation(
    ablation: Ablation,
    images: ImageSet,
    metrics: Sequence[Metric],
    *,
    outputs: Path,
    seed: int = 0,
    command: str = "",
    on_image: Progress | None = None,
) -> Findings:
    """Prepare every variant, make its pictures, and measure all of them; ``command`` goes into the report.

    Raises:
        ConfigError: if scipy, which the tests need, is not installed.
        DataError: if a pair is not of scale 4, or ``outputs`` holds pictures of another model.
    """
    check_baseline(ablation.baseline, [variant.name for variant in ablation.variants])
    rows, methods, errors = [], [], {}
    for variant in ablation.variants:
        subject = variant.prepare()
        rows.append(Row(name=variant.name, budget=variant.budget, note=subject.note))
        folder = outputs / variant.name.replace(" ", "-")
        errors[variant.name] = _make(subject, images, folder, seed, on_image)
        paths = {key: folder / f"{key}.png" for key in images.references}
        methods.append(Method(name=variant.name, outputs=paths))
    scores = evaluate(methods, images.references, metrics, on_image)
    with_latents = [_with_errors(method, errors[method.method]) for method in scores]
    columns = [*metrics, LATENT_ERROR]
    tests = compare_with(ablation.baseline, with_latents, columns)
    results = Results(methods=with_latents, metrics=columns, tests=tests, command=command)
    return Findings(ablation=ablation, rows=rows, results=results)


def _make(subject: Subject, images: ImageSet, folder: Path, seed: int, on_image: Progress | None) -> dict[str, float]:
    """Make a variant's pictures unless they are there, and return the errors of their latents."""
    stamp, made_by = folder / STAMP, subject.fingerprint(seed)
    if stamp.exists():
        known = json.loads(stamp.read_text(encoding="utf-8"))
        if known["subject"] != made_by:
            raise DataError(
                f"{folder} holds pictures of another model or seed", remedy="choose another folder with --work"
            )
        if images.references.keys() <= known["latent_errors"].keys():
            return {key: known["latent_errors"][key] for key in images.references}
    errors = {}
    for number, (key, reference) in enumerate(images.references.items(), start=1):
        pixels, errors[key] = subject.upscale(read_pixels(images.inputs[key]), read_pixels(reference), seed)
        write_picture(Picture(color=pixels), folder / f"{key}.png", overwrite=True)
        if on_image is not None:
            on_image(f"{folder.name} {key}", number, len(images.references))
    text = json.dumps({"subject": made_by, "latent_errors": errors}, indent=2) + "\n"
    write_atomically(stamp, text.encode(), overwrite=True)
    return errors


def _with_errors(scores: MethodScores, errors: dict[str, float]) -> MethodScores:
    images = {key: {**values, LATENT_ERROR.name: errors[key]} for key, values in scores.images.items()}
    return MethodScores(method=scores.method, images=images)


def _not_of_pixels(output: Pixels, reference: Pixels) -> float:
    raise AssertionError("the error of a latent is taken before it is decoded")


LATENT_ERROR = Metric(name="latent_error", higher_is_better=False, measure=_not_of_pixels)
