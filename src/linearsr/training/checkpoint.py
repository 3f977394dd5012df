"""Crash-safe training checkpoints: one safetensors file per save, replaced in one step.

Holds the step, the guard's memory, the module, the EMA and the optimizer's memory, and the same of what a stage trains
alongside (a discriminator); a SHA-256 of it all lies in the file's metadata. Everything random in a stage is a pure
function of (seed, step, place in the batch), so nothing else is needed to continue. The main process writes whole
tensors, whether ranks hold copies or shares, and every rank reads them: the number of ranks may change in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from linearsr.errors import TrainingError
from linearsr.imaging.atomic import remove_unfinished
from linearsr.training import distributed
from linearsr.training.ema import EMA
from linearsr.training.guards import StepGuard
from linearsr.training.learner import Learner
from linearsr.training.tensors import read_tensors, write_tensors

FILE_NAME = "checkpoint.safetensors"
MAIN = ""
"""Key of the stage's own learner among those of a checkpoint."""


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
        write_tensors(run / FILE_NAME, tensors)


def load_checkpoint(run: Path, learners: Mapping[str, Learner], ema: EMA, guard: StepGuard) -> int:
    """Restore the state saved in ``run`` and return its step, or 0 when there is none. To be called on every rank.

    Raises:
        TrainingError: if the checkpoint is damaged or of another architecture, or ranks find different ones.
    """
    path = run / FILE_NAME
    if distributed.is_main():
        remove_unfinished(run)
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
    """Weights as ``module/NAME`` and the optimizer's memory of a parameter as ``optimizer/WHAT/NAME``."""
    tensors = {f"module/{name}": value for name, value in learner.module.state_dict().items()}
    for name, parameter in learner.module.named_parameters():
        state = learner.optimizer.state.get(parameter, {})
        tensors |= {f"optimizer/{what}/{name}": value for what, value in state.items() if isinstance(value, Tensor)}
    return tensors


def _restore(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    own = learner.module.state_dict()
    saved = _part(tensors, "module/").items()
    learner.module.load_state_dict(
        {name: distributed.placed_like(value, own.get(name, value)) for name, value in saved}
    )
    parameters = dict(learner.module.named_parameters())
    learner.optimizer.state.clear()
    # Kept per parameter, as the optimizer does: it counts only the steps in which a parameter had a gradient.
    for key, value in _part(tensors, "optimizer/").items():
        what, name = key.split("/", 1)
        learner.optimizer.state[parameters[name]][what] = _shaped_like(value, parameters[name])


def _shaped_like(value: Tensor, parameter: Tensor) -> Tensor:
    """Bring a moment to the parameter's place and memory layout; steps and factored moments stay as they are."""
    if value.shape != parameter.shape:
        return value.to(parameter.device) if value.ndim else value
    # With another memory layout the optimizer's arithmetic may round differently.
    return torch.empty_like(parameter).copy_(distributed.placed_like(value, parameter)).detach()


def _read(path: Path) -> tuple[int, dict[str, Tensor]]:
    remedy = "delete it to start the stage over"
    tensors, _ = read_tensors(path, remedy=remedy)
    if "step" not in tensors:
        raise TrainingError(f"cannot read {path}: it holds no step", remedy=remedy)
    return int(tensors["step"]), tensors


def _prefix(key: str) -> str:
    return f"{key}/" if key else MAIN


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
