"""One training loop for every stage: AdamW, warm-up and cosine decay, clipping, EMA, guards, resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor

from linearsr.training import distributed
from linearsr.training.checkpoint import MAIN, load_checkpoint, save_checkpoint
from linearsr.training.distributed import LossFunction, Parallelism
from linearsr.training.ema import EMA
from linearsr.training.guards import StepGuard
from linearsr.training.learner import Learner
from linearsr.training.stages import Stage, StageConfig
from linearsr.training.validation import Validation, record_validation

LOG_EVERY = 20
SAVE_EVERY = 200


def learning_rate_factor(step: int, config: StageConfig) -> float:
    """Share of the peak learning rate at ``step``: linear warm-up, then a cosine down to ``final_rate``."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup))
    progress = min(1.0, step / max(1, config.steps))
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return warmup * (config.final_rate + (1 - config.final_rate) * cosine)


def train(
    stage: Stage, run: Path, validation: Validation | None = None, parallelism: Parallelism | None = None
) -> dict[str, Tensor]:
    """Train ``stage`` to its last step and return the EMA weights; continue from ``run`` if it holds a checkpoint.

    Writes ``metrics.jsonl`` and ``checkpoint.safetensors`` under ``run``; with ``validation``, also its curve and
    weights. Several processes train together by ``parallelism``, the main one writes; under FSDP2 the stage's module is
    spent afterwards: load what is returned into another.

    Raises:
        TrainingError: if three steps in a row are skipped: loss or gradient not finite, or a spike of the loss.
    """
    config, module = stage.config, stage.module
    run.mkdir(parents=True, exist_ok=True)
    alongside = [learner.module for learner in stage.auxiliary.values()]
    compute = distributed.spread(module, stage.loss, parallelism or Parallelism(), alongside=alongside)
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    main = Learner(module, optimizer, spread=True)
    learners = {MAIN: main, **stage.auxiliary}
    ema = EMA(module, config.ema_decay)
    guard = StepGuard(config.name)
    first = load_checkpoint(run, learners, ema, guard)
    with _metrics(run / "metrics.jsonl") as log:
        started = time.perf_counter()
        for step in range(first, config.steps):
            taken, record = _step(compute, config, main, guard, step)
            guard.count(taken=taken, loss=record["loss"], step=step)
            ema.update(module, step)
            if distributed.is_main() and (step % LOG_EVERY == 0 or step == config.steps - 1):
                seconds = (time.perf_counter() - started) / (step - first + 1)
                _write(log, {"step": step, "stage": config.name, "seconds_per_step": round(seconds, 4), **record})
            if validation is not None and (step + 1) % validation.every == 0:
                with ema.applied_to(module), distributed.gathered(compute):
                    values = validation.measure()
                weights = distributed.collect(ema.state_dict())
                if distributed.is_main():
                    record_validation(run, step + 1, values, weights)
            if (step + 1) % SAVE_EVERY == 0 or step == config.steps - 1:
                save_checkpoint(run, learners, ema, guard, step=step + 1)
    distributed.wait_for_all()  # what the main process has written is there for whoever comes back from here
    return {name: distributed.whole(value) for name, value in ema.state_dict().items()}


def _step(
    compute: LossFunction, config: StageConfig, main: Learner, guard: StepGuard, step: int
) -> tuple[bool, dict[str, float]]:
    """Take one guarded optimizer step at the scheduled learning rate; return (taken, values to log)."""
    factor = learning_rate_factor(step, config)
    for group in main.optimizer.param_groups:
        group["lr"] = config.learning_rate * factor
    before = [buffer.clone() for buffer in main.module.buffers()]
    loss, parts = compute(step)
    values = distributed.mean({"loss": float(loss.detach()), **parts})
    taken, norm = main.step(loss, config.clip_norm, skip=guard.is_spike(values["loss"]))
    if taken:
        distributed.average_buffers(main.module)
    else:  # running averages have seen the spoiled step: take them back too
        for buffer, earlier in zip(main.module.buffers(), before, strict=True):
            buffer.copy_(earlier)
    return taken, {"grad_norm": norm, **values}


@contextmanager
def _metrics(path: Path) -> Iterator[TextIO]:
    with path.open("a", encoding="utf-8") as stream:
        yield stream


def _write(log: TextIO, record: dict[str, float | str]) -> None:
    line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()})
    print(line, file=log, flush=True)
