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

from linearsr.training.checkpoint import MAIN, load_checkpoint, save_checkpoint
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


def train(stage: Stage, run: Path, validation: Validation | None = None) -> dict[str, Tensor]:
    """Train ``stage`` to its last step and return the EMA weights; continue from ``run`` if it holds a checkpoint.

    Writes ``metrics.jsonl`` and ``checkpoint.safetensors`` under ``run``; with ``validation``, also its curve and
    weights.

    Raises:
        TrainingError: if three steps in a row are skipped: loss or gradient not finite, or a spike of the loss.
    """
    config, module = stage.config, stage.module
    run.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    main = Learner(module, optimizer)
    learners = {MAIN: main, **stage.auxiliary}
    ema = EMA(module, config.ema_decay)
    guard = StepGuard(config.name)
    first = load_checkpoint(run, learners, ema, guard)
    with _metrics(run / "metrics.jsonl") as log:
        started = time.perf_counter()
        for step in range(first, config.steps):
            taken, record = _step(stage, main, guard, step)
            guard.count(taken=taken, loss=record["loss"], step=step)
            ema.update(module, step)
            if step % LOG_EVERY == 0 or step == config.steps - 1:
                seconds = (time.perf_counter() - started) / (step - first + 1)
                _write(log, {"step": step, "stage": config.name, "seconds_per_step": round(seconds, 4), **record})
            if validation is not None and (step + 1) % validation.every == 0:
                with ema.applied_to(module):
                    record_validation(run, step + 1, validation.measure(), ema.state_dict())
            if (step + 1) % SAVE_EVERY == 0 or step == config.steps - 1:
                save_checkpoint(run, learners, ema, guard, step=step + 1)
    return ema.state_dict()


def _step(stage: Stage, main: Learner, guard: StepGuard, step: int) -> tuple[bool, dict[str, float]]:
    """Take one guarded optimizer step at the scheduled learning rate; return (taken, values to log)."""
    config = stage.config
    factor = learning_rate_factor(step, config)
    for group in main.optimizer.param_groups:
        group["lr"] = config.learning_rate * factor
    before = [buffer.clone() for buffer in stage.module.buffers()]
    loss, parts = stage.loss(step)
    value = float(loss.detach())
    taken, norm = (False, math.nan) if guard.is_spike(value) else main.step(loss, config.clip_norm)
    if not taken:  # running averages have seen the spoiled step: take them back too
        for buffer, earlier in zip(stage.module.buffers(), before, strict=True):
            buffer.copy_(earlier)
    return taken, {"loss": value, "grad_norm": norm, **parts}


@contextmanager
def _metrics(path: Path) -> Iterator[TextIO]:
    with path.open("a", encoding="utf-8") as stream:
        yield stream


def _write(log: TextIO, record: dict[str, float | str]) -> None:
    line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()})
    print(line, file=log, flush=True)
