"""Crash-safe training checkpoints: one safetensors file per save, replaced in one step.

Holds the step, the guard's memory, the module, the EMA and AdamW's state, and the same of what a stage trains alongside
(a discriminator); a SHA-256 of it all lies in the file's metadata. Everything random in a stage is a pure function of
(seed, step, place in the batch), so nothing else is needed to continue. The main process writes whole tensors, whether
ranks hold copies or shares, and every rank reads them: the number of ranks may change in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from linearsr.errors import TrainingError
from linearsr.imaging.atomic import write_atomically
from linearsr.training import distributed
from linearsr.training.ema import EMA
from linearsr.training.guards import StepGuard
from linearsr.training.learner import Learner

FILE_NAME = "checkpoint.safetensors"
MAIN = ""
"""Key of the stage's own learner among those of a checkpoint."""
# Steps are kept per parameter: AdamW counts only the steps in which a parameter had a gradient.
_MOMENTS = {"adam_step": "step", "exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}


def save_checkpoint(run: Path, learners: Mapping[str, Learner], ema: EMA, guard: StepGuard, *, step: int) -> None:
    """Write the state after ``step`` steps of the loop; ``ema`` follows the learner named ``MAIN``.

    To be called on every rank.
    """
    tensors = {"step": torch.tensor(step), "guard": guard.state()}
    tensors |= {f"ema/{name}": value for name, value in ema.state_dict().items()}
    for key, learner in learners.items():
        tensors |= {f"{_prefix(key)}{name}": value for name, value in _state_of(learner).items()}
    tensors = distributed.collect(tensors)
    if distributed.is_main():
        payload = save(tensors, metadata={"sha256": _digest(tensors)})
        write_atomically(run / FILE_NAME, payload, overwrite=True)


def load_checkpoint(run: Path, learners: Mapping[str, Learner], ema: EMA, guard: StepGuard) -> int:
    """Restore the state saved in ``run`` and return its step, or 0 when there is none. To be called on every rank.

    Raises:
        TrainingError: if the checkpoint is damaged or of another architecture, or ranks find different ones.
    """
    path = run / FILE_NAME
    if distributed.is_main():
        for unfinished in run.glob(f".{FILE_NAME}.*.part"):  # what a kill during a save leaves behind
            unfinished.unlink()
    step, tensors = _read(path) if path.exists() else (0, {})
    distributed.check_same(step, f"the step of {path}")
    if not tensors:
        return 0
    try:
        for key, learner in learners.items():
            _restore(learner, _part(tensors, _prefix(key)))
    except RuntimeError as error:
        raise TrainingError(f"{path} is of another model or loss", remedy="use a fresh run folder") from error
    for name, value in _part(tensors, "ema/").items():
        ema.shadow[name].copy_(distributed.placed_like(value, ema.shadow[name]))
    guard.restore(tensors["guard"])
    return step


def _state_of(learner: Learner) -> dict[str, Tensor]:
    """Weights and AdamW state as ``module/NAME``, ``adam_step/NAME``, ``exp_avg/NAME``, ``exp_avg_sq/NAME``."""
    tensors = {f"module/{name}": value for name, value in learner.module.state_dict().items()}
    for name, parameter in learner.module.named_parameters():
        state = learner.optimizer.state.get(parameter, {})
        tensors |= {f"{ours}/{name}": state[theirs] for ours, theirs in _MOMENTS.items() if theirs in state}
    return tensors


def _restore(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    own = learner.module.state_dict()
    saved = _part(tensors, "module/").items()
    learner.module.load_state_dict(
        {name: distributed.placed_like(value, own.get(name, value)) for name, value in saved}
    )
    for name, parameter in learner.module.named_parameters():
        if f"adam_step/{name}" not in tensors:
            continue
        state = {"step": tensors[f"adam_step/{name}"]}
        for moment in ("exp_avg", "exp_avg_sq"):
            # In the parameter's own memory layout: with another one AdamW's arithmetic may round differently.
            value = distributed.placed_like(tensors[f"{moment}/{name}"], parameter)
            state[moment] = torch.empty_like(parameter).copy_(value).detach()
        learner.optimizer.state[parameter] = state


def _read(path: Path) -> tuple[int, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as stream:
            expected = stream.metadata()["sha256"]
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        step = int(tensors["step"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"cannot read {path}: {error}", remedy="delete it to start the stage over") from error
    if _digest(tensors) != expected:
        raise TrainingError(f"{path} does not match its SHA-256", remedy="delete it to start the stage over")
    return step, tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _prefix(key: str) -> str:
    return f"{key}/" if key else MAIN


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
