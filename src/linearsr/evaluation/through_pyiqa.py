"""MANIQA, MUSIQ, CLIPIQA, TOPIQ and all other metrics of pyiqa, where that package is installed.

pyiqa (https://github.com/chaofengc/IQA-PyTorch) carries its own networks and fetches their weights when a metric is
made. It is no dependency of this package, extra or otherwise: it is large, and its licence excludes commercial use.
"""

from __future__ import annotations

from typing import Any

import torch

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.metrics import BUILT_IN, Metric, Pixels, as_tensor

PREFIX = "pyiqa:"
SMALLEST_SIDE = 32


def pyiqa_metric(name: str) -> Metric:
    """The metric that pyiqa calls ``name``; a leading ``pyiqa:`` is left out, and kept in the metric's own name.

    Raises:
        ConfigError: if pyiqa is not installed, or knows no such metric.
        DataError: if pyiqa cannot make the metric, as when its weights cannot be fetched.
    """
    theirs = name.removeprefix(PREFIX)
    library = _import_pyiqa(name)
    try:
        network = library.create_metric(theirs)
    except (AssertionError, KeyError) as error:  # how pyiqa says that it has no such metric
        raise ConfigError(
            f"no metric {name!r}, here or in pyiqa",
            remedy=f"choose from {', '.join(BUILT_IN)}, or from pyiqa.list_models()",
        ) from error
    except Exception as error:  # downloads and third-party networks fail in ways of their own
        raise DataError(
            f"pyiqa cannot make {theirs}: {error}", remedy="see that its weights can be fetched, or leave it out"
        ) from error
    needs_reference = network.metric_mode == "FR"

    @torch.inference_mode()
    def measure(output: Pixels, reference: Pixels) -> float:
        images = (as_tensor(output), as_tensor(reference)) if needs_reference else (as_tensor(output),)
        return float(network(*images))

    return Metric(
        name=name,
        higher_is_better=not network.lower_better,
        measure=measure,
        smallest=SMALLEST_SIDE,
        needs_reference=needs_reference,
    )


def _import_pyiqa(name: str) -> Any:
    try:
        import pyiqa
    except ImportError as error:
        raise ConfigError(
            f"{name!r} is none of the metrics built in ({', '.join(BUILT_IN)}), and pyiqa is not installed ({error})",
            remedy="choose one of them, or pip install pyiqa",
        ) from error
    return pyiqa
