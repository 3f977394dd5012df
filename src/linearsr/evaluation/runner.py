"""Metrics over folders: outputs are matched to references by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from linearsr.errors import DataError
from linearsr.evaluation.metrics import Metric
from linearsr.imaging.codec import decode_rgb8
from linearsr.imaging.formats import IMAGE_SUFFIXES

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class MethodScores:
    """Scores of one method: per image (by stem), metric name -> value."""

    method: str
    images: dict[str, dict[str, float]]

    def column(self, metric: str) -> list[float]:
        """The values of one metric, in the order of the images."""
        return [scores[metric] for scores in self.images.values()]


def evaluate_folder(
    outputs: Path, references: Path, metrics: Sequence[Metric], on_image: Progress | None = None
) -> MethodScores:
    """Measure every output in a folder against the reference of the same stem.

    Raises:
        DataError: if a folder holds no image, a reference has no output, or sizes differ.
    """
    theirs, ours = _images(references), _images(outputs)
    missing = sorted(theirs.keys() - ours.keys())
    if missing:
        raise DataError(
            f"{outputs} lacks {len(missing)} of {len(theirs)} outputs ({', '.join(missing[:3])}, ...)",
            remedy="a mean over other images would not compare; make them, or reduce the references",
        )
    scores = {}
    for number, (stem, path) in enumerate(sorted(theirs.items()), start=1):
        scores[stem] = _measure(ours[stem], path, metrics)
        if on_image is not None:
            on_image(stem, number, len(theirs))
    return MethodScores(method=outputs.name, images=scores)


def _measure(output: Path, reference: Path, metrics: Sequence[Metric]) -> dict[str, float]:
    x, y = (decode_rgb8(path.read_bytes()) for path in (output, reference))
    if x.shape != y.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (x, y)]
        raise DataError(f"{output} is {sizes[0]}, its reference is {sizes[1]}", remedy="compare images of one size")
    for metric in metrics:
        if min(x.shape[:2]) < metric.smallest:
            raise DataError(
                f"{output} is {x.shape[1]}x{x.shape[0]}, {metric.name} needs {metric.smallest} pixels a side",
                remedy="leave the metric out",
            )
    return {metric.name: metric.measure(x, y) for metric in metrics}


def _images(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataError(f"no image in {folder}", remedy="name a folder of images")
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DataError(f"{found[path.stem]} and {path} have one name", remedy="keep one of them")
        found[path.stem] = path
    return found
