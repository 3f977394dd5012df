"""Metrics over the outputs of a method, each against the reference of the same key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.folders import Method, check_complete, read_pixels
from linearsr.evaluation.metrics import Metric, Pixels

Progress = Callable[[str, int, int], None]
"""Called with an image's key, its number from 1, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class MethodScores:
    """Scores of one method: per image, metric name -> value."""

    method: str
    images: dict[str, dict[str, float]]

    def column(self, metric: str) -> list[float]:
        """The values of one metric, in the order of the images."""
        return [scores[metric] for scores in self.images.values()]


def evaluate(
    methods: Sequence[Method],
    references: Mapping[str, Path],
    metrics: Sequence[Metric],
    on_image: Progress | None = None,
) -> list[MethodScores]:
    """Measure every method's output for every reference; without references, for every image that any method has.

    Image by image and not method by method, so that what is computed of a reference serves all methods.

    Raises:
        ConfigError: if a metric needs references and there are none.
        DataError: if an output is missing, or of another size than its reference.
        ImageError: if an image cannot be read.
    """
    needy = [metric.name for metric in metrics if metric.needs_reference]
    if needy and not references:
        raise ConfigError(f"no references for {', '.join(needy)}", remedy="pass --reference, or leave them out")
    wanted = references or {key: path for method in methods for key, path in method.outputs.items()}
    for method in methods:
        check_complete(wanted, method.outputs, method.name)
    scores: dict[str, dict[str, dict[str, float]]] = {method.name: {} for method in methods}
    for number, key in enumerate(sorted(wanted), start=1):
        reference = read_pixels(references[key]) if references else None
        for method in methods:
            scores[method.name][key] = _measure(method.outputs[key], reference, metrics)
        if on_image is not None:
            on_image(key, number, len(wanted))
    return [MethodScores(method=name, images=images) for name, images in scores.items()]


def _measure(path: Path, reference: Pixels | None, metrics: Sequence[Metric]) -> dict[str, float]:
    output = read_pixels(path)
    truth = output if reference is None else reference
    if output.shape != truth.shape:
        raise DataError(
            f"{path} is {_size(output)}, its reference is {_size(truth)}", remedy="compare images of one size"
        )
    for metric in metrics:
        if min(output.shape[:2]) < metric.smallest:
            raise DataError(
                f"{path} is {_size(output)}, {metric.name} needs {metric.smallest} pixels a side",
                remedy="leave the metric out",
            )
    return {metric.name: metric.measure(output, truth) for metric in metrics}


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
