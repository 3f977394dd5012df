"""One training loop for every stage: schedule, accumulation, clipping, guards, EMA, validation, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from linearsr.errors import ConfigError, TrainingError
from linearsr.training import distributed
from linearsr.training.checkpoint import MAIN, load_checkpoint, save_checkpoint
from linearsr.training.config import Part, StageConfig
from linearsr.training.distributed import LossFunction, Parallelism
from linearsr.training.ema import EMA
from linearsr.training.execution import lowered, prepared
from linearsr.training.guards import MAX_SKIPPED, StepGuard
from linearsr.training.learner import Learner, step_together
from linearsr.training.optimizers import build_optimizer
from linearsr.training.sinks import BoardName, open_sinks
from linearsr.training.stages import Stage
from linearsr.training.validation import Validation, record_validation


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who is told about a run besides its own files.

    ``on_step`` is called on the main rank as (configuration, steps done, values of the step).
    """

    boards: tuple[BoardName, ...] = ()
    on_step: Callable[[StageConfig, int, Mapping[str, float]], None] | None = None


def learning_rate_factor(step: int, config: StageConfig) -> float:
    """Share of the peak learning rate at ``step``: linear warm-up, then a cosine down to ``final_rate``."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup))
    progress = min(1.0, step / max(1, config.steps))
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return warmup * (config.final_rate + (1 - config.final_rate) * cosine)


def train(
    stage: Stage,
    run: Path,
    validation: Validation | None = None,
    parallelism: Parallelism | None = None,
    watch: Watch | None = None,
) -> dict[str, Tensor]:
    """Train ``stage`` to its last step and return the EMA weights; continue from ``run`` if it holds a checkpoint.

    Writes ``metrics.jsonl`` and ``checkpoint.safetensors`` under ``run``; with ``validation``, also its curve, weights
    and pictures. Several processes train together, the main one writes; under FSDP2 the stage's module is spent
    afterwards: load what is returned into another.

    Raises:
        TrainingError: if three steps in a row are skipped: loss or gradient not finite, or a spike of the loss.
    """
    watch = watch or Watch()
    config, module = stage.config, stage.module
    run.mkdir(parents=True, exist_ok=True)
    alongside = [learner.module for learner in stage.auxiliary.values()]
    parallelism = parallelism or Parallelism()
    if config.optimizer == "came" and parallelism.mode == "fsdp":
        raise ConfigError("came cannot work on shares of a matrix", remedy="use adamw, or parallelism ddp")
    compute = distributed.spread(module, stage.loss, parallelism, alongside=alongside)
    main = Learner(module, build_optimizer(module.parameters(), config), clip_norm=config.clip_norm, spread=True)
    learners = {MAIN: main, **stage.auxiliary}
    ema, guard = EMA(module, config.ema_decay), StepGuard()
    first = load_checkpoint(run, learners, ema, guard)
    boards = watch.boards if distributed.is_main() else ()
    with open_sinks(run, config.name, boards, done=first) as sinks, prepared(module, config.execution):
        started = time.perf_counter()
        for step in range(first, config.steps):
            taken, values = _step(compute, config, learners, guard, step)
            guard.count(taken=taken, loss=values["loss"])
            if guard.is_exhausted:
                saved = load_checkpoint(run, learners, ema, guard)
                raise _stopped(config, run, step=step, loss=values["loss"], saved=saved)
            ema.update(module, step)
            done, is_last = step + 1, step + 1 == config.steps
            values["seconds_per_step"] = (time.perf_counter() - started) / (done - first)
            if distributed.is_main():
                if step % config.log_every == 0 or is_last:
                    sinks.training(step, values)
                if watch.on_step is not None:
                    watch.on_step(config, done, values)
            if validation is not None and (is_last or done % validation.every == 0):
                with ema.applied_to(module), distributed.gathered(compute):
                    measured = validation.measure()
                weights = distributed.collect(ema.state_dict())
                if distributed.is_main():
                    measured = measured.with_values(loss=guard.mean_loss)
                    record_validation(run, done, measured, weights)
                    sinks.validation(done, measured.values)
            # A checkpoint amid skipped steps would hold weights that are perhaps on their way to divergence.
            if is_last or (done % config.save_every == 0 and guard.is_calm):
                save_checkpoint(run, learners, ema, guard, step=done)
    distributed.wait_for_all()  # what the main process has written is there for whoever comes back from here
    return {name: distributed.whole(value) for name, value in ema.state_dict().items()}


def _step(
    compute: LossFunction, config: StageConfig, learners: Mapping[str, Learner], guard: StepGuard, step: int
) -> tuple[bool, dict[str, float]]:
    """Take one guarded optimizer step at the scheduled learning rate; return (taken, values to log)."""
    main = learners[MAIN]
    for group in main.optimizer.param_groups:
        group["lr"] = config.learning_rate * learning_rate_factor(step, config)
    before = [(buffer, buffer.clone()) for learner in learners.values() for buffer in learner.module.buffers()]
    for learner in learners.values():
        learner.optimizer.zero_grad(set_to_none=True)
    values = distributed.mean(_gradients(compute, config, step))
    taken, norms = step_together(
        list(learners.values()), usable=guard.is_usable(values["loss"]), parts=config.execution.accumulate
    )
    if taken:
        distributed.average_buffers(main.module)
    else:  # running averages have seen the spoiled step: take them back too
        for buffer, earlier in before:
            buffer.copy_(earlier)
    return taken, {"grad_norm": norms[0], **values}


def _gradients(compute: LossFunction, config: StageConfig, step: int) -> dict[str, float]:
    """Sum the gradients of all parts of a step's batch; return the mean of their losses and of what goes into them."""
    count = config.execution.accumulate
    totals: dict[str, float] = {}
    for part in Part.all(count):
        with lowered(config.execution):
            loss, pieces = compute(step, part)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, value in {"loss": float(loss.detach()), **pieces}.items():
            totals[name] = totals.get(name, 0.0) + value / count
    return totals


def _stopped(config: StageConfig, run: Path, *, step: int, loss: float, saved: int) -> TrainingError:
    kept = f"the last good checkpoint, after {saved} steps, stays in {run}" if saved else "no checkpoint exists yet"
    return TrainingError(
        f"{MAX_SKIPPED} steps in a row up to step {step} of {config.name} were unusable: a loss or gradient that is "
        f"not finite, or a spike (last loss {loss:g}); {kept}",
        remedy="lower learning_rate or clip_norm and start the same command again",
    )
