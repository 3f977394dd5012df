"""Train the embedded model from photo shards to shipped weights: autoencoder, flow, experts, polish.

    python recipes/train_tiny.py --photos SHARDS --perceptual WEIGHTS --run RUN --out src/linearsr/weights/tiny

SHARDS holds ``*.tar`` and ``manifest.csv``; WEIGHTS comes from ``recipes/perceptual_weights.py``. The same as the
commands ``linearsr train autoencoder`` to ``polish`` and ``export``, one after the other; every stage resumes from its
own folder under RUN, so an interrupted run continues with the same command.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from linearsr.pipeline import SRPipeline
from linearsr.training.finished import finished_pipeline
from linearsr.training.models import Models
from linearsr.training.presets import tiny
from linearsr.training.recipe import train_autoencoder, train_experts, train_flow, train_polish
from linearsr.training.workspace import Workspace

STAGES: dict[str, Callable[[Workspace], Models]] = {
    "autoencoder": train_autoencoder,
    "flow": train_flow,
    "experts": train_experts,
    "polish": train_polish,
}


def main() -> None:
    """Run every stage and save the pipeline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--photos", "--perceptual", "--run", "--out"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    work = Workspace(run=arguments.run, photos=arguments.photos, perceptual=arguments.perceptual, recipe=tiny())
    timings = {}
    for name, train_stage in STAGES.items():
        started = time.perf_counter()
        train_stage(work)
        timings[name] = round(time.perf_counter() - started, 1)
    models = finished_pipeline(arguments.run)
    assert models.experts is not None, "polish leaves experts"
    SRPipeline(models.autoencoder, models.experts, name="tiny").save_pretrained(arguments.out, compact=True)
    (arguments.run / "timings.json").write_text(json.dumps(timings, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
