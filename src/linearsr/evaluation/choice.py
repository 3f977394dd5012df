"""From the names on a command line to metrics: built in, or through pyiqa."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from linearsr.errors import ConfigError
from linearsr.evaluation.metrics import BUILT_IN, PLAIN, Metric, plain_metric, weighted_metric
from linearsr.evaluation.through_pyiqa import pyiqa_metric


def choose_metrics(names: Sequence[str], *, weights: Path | None, border: int = 0) -> list[Metric]:
    """Return the metrics of these names; those that need weights read them from the folder ``weights``.

    Names that are not built in, or begin with ``pyiqa:``, are metrics of pyiqa.

    Raises:
        ConfigError: if a name is unknown or named twice, or the border is negative.
        DataError: if weights are missing.
    """
    if not names or "" in names or len(set(names)) != len(names):
        raise ConfigError(
            f"metrics {', '.join(names)!r} are not one or more different names",
            remedy=f"choose from {', '.join(BUILT_IN)}, and those of pyiqa where it is installed",
        )
    if border < 0:
        raise ConfigError(f"border must not be negative, not {border}", remedy="0 compares the whole image")
    return [_metric(name, weights, border) for name in names]


def _metric(name: str, weights: Path | None, border: int) -> Metric:
    if name in PLAIN:
        return plain_metric(name, border)
    if name in BUILT_IN:
        return weighted_metric(name, weights)
    return pyiqa_metric(name)
