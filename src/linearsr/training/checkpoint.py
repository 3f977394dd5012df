"""Crash-safe training checkpoints: one safetensors file per save, replaced in one step.

Holds the module, the EMA and AdamW's moments; the step lies in the file's metadata. Everything random in a stage is a
pure function of (seed, step), so nothing else is needed to continue.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from linearsr.errors import TrainingError
from linearsr.imaging.atomic import write_atomically
from linearsr.training.ema import EMA

FILE_NAME = "checkpoint.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(run: Path, module: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA, *, step: int) -> None:
    """Write the state after ``step`` optimizer steps."""
    tensors = {f"module/{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"ema/{name}": value for name, value in ema.state_dict().items()}
    for name, parameter in module.named_parameters():
        state = optimizer.state.get(parameter, {})
        tensors |= {f"{moment}/{name}": state[moment] for moment in _MOMENTS if moment in state}
    payload = save({k: v.detach().clone().contiguous() for k, v in tensors.items()}, metadata={"step": str(step)})
    write_atomically(run / FILE_NAME, payload, overwrite=True)


def load_checkpoint(run: Path, module: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA) -> int:
    """Restore the state saved in ``run`` and return its step, or 0 when there is none.

    Raises:
        TrainingError: if the checkpoint is of another architecture.
    """
    path = run / FILE_NAME
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as stream:
        step = int(stream.metadata()["step"])
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    try:
        module.load_state_dict(_part(tensors, "module"))
    except RuntimeError as error:
        raise TrainingError(f"{path} is of another model", remedy="use a fresh run folder") from error
    ema.shadow = _part(tensors, "ema")
    moments = {moment: _part(tensors, moment) for moment in _MOMENTS}
    for name, parameter in module.named_parameters():
        if name in moments["exp_avg"]:
            optimizer.state[parameter] = {
                "step": torch.tensor(float(step)),
                **{m: moments[m][name] for m in _MOMENTS},
            }
    return step


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix + "/"): value for name, value in tensors.items() if name.startswith(prefix + "/")}
