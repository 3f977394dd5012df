"""Validation during training: the quality of full sampled outputs on fixed pairs, and the weights they came from.

ESGF needs both: the curves to find the knee, and the weights at the knee to start the next stage from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from linearsr.data.loader import PairPool
from linearsr.diffusion.sampler import noise, plan_timesteps, sample
from linearsr.errors import DataError
from linearsr.imaging.atomic import write_atomically
from linearsr.models.autoencoder import LR_STRIDE, Autoencoder
from linearsr.models.experts import BOUNDARIES
from linearsr.models.perceptual import LPIPS
from linearsr.training.esgf import Knee, find_knee

LRVelocity = Callable[[Tensor, float, Tensor], Tensor]
"""(latent, t, LR image) -> velocity; an ExpertTransformer is one."""
CURVES_NAME = "validation.jsonl"


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Called by the loop after every ``every`` steps, with the EMA weights in place; returns metric -> value."""

    every: int
    measure: Callable[[], dict[str, float]]


@dataclass(frozen=True)
class ValidationSet:
    """Fixed pairs in [-1, 1]: (B, 3, h, w) LR and (B, 3, 4h, 4w) HR."""

    lr: Tensor
    hr: Tensor
    lpips: LPIPS

    @classmethod
    def from_pool(cls, pool: PairPool, lpips: LPIPS, *, size: int, lr_side: int) -> ValidationSet:
        """Draw ``size`` crops from a pool of photos that are kept out of training."""
        lr, hr = pool.batch(0, seed=0, size=size, lr_side=lr_side)
        return cls(lr.contiguous(memory_format=torch.channels_last), hr, lpips)

    @torch.no_grad()
    def score(self, velocity: LRVelocity, autoencoder: Autoencoder) -> dict[str, float]:
        """PSNR and LPIPS of the full output: a latent sampled in the default four steps, then decoded."""
        shape = (len(self.lr), autoencoder.config.latent_channels, *(side // LR_STRIDE for side in self.lr.shape[-2:]))
        z1 = noise(shape, torch.Generator().manual_seed(0))
        latent = sample(lambda z, t: velocity(z, t, self.lr), z1, plan_timesteps(4, BOUNDARIES))
        output = autoencoder.decode(latent, self.lr).clamp(-1, 1) / 2 + 0.5
        target = self.hr / 2 + 0.5
        errors = F.mse_loss(output, target, reduction="none").mean((1, 2, 3))
        lpips = torch.cat([self.lpips(x[None], y[None]) for x, y in zip(output, target, strict=True)])
        return {"psnr": float((-10 * errors.log10()).mean()), "lpips": float(lpips.mean())}


def at_every_t(transformer: nn.Module) -> LRVelocity:
    """Let one transformer, which takes a (B,) tensor of timesteps, serve the whole of t."""

    def velocity(z: Tensor, t: float, lr: Tensor) -> Tensor:
        v: Tensor = transformer(z, z.new_full((len(z),), t), lr)
        return v

    return velocity


def record_validation(run: Path, step: int, values: dict[str, float], weights: dict[str, Tensor]) -> None:
    """Keep the weights after ``step`` steps, then their line in ``validation.jsonl``: no line without its weights."""
    payload = save({name: value.detach().clone().contiguous() for name, value in weights.items()})
    write_atomically(snapshot_path(run, step), payload, overwrite=True)
    with (run / CURVES_NAME).open("a", encoding="utf-8") as stream:
        print(json.dumps({"step": step, **values}), file=stream, flush=True)


def snapshot_path(run: Path, step: int) -> Path:
    """Where the EMA weights after ``step`` steps lie."""
    return run / f"ema-{step:08d}.safetensors"


def load_snapshot(run: Path, step: int) -> dict[str, Tensor]:
    """Read the EMA weights after ``step`` steps."""
    return load_file(snapshot_path(run, step))


def read_curves(run: Path) -> dict[str, list[float]]:
    """Read the curves of a run: metric -> values, and "step" -> steps, in order; of repeated steps the last counts.

    Raises:
        DataError: if the run holds no validation.
    """
    path = run / CURVES_NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}", remedy="name the folder of a validated stage"
        ) from error
    records = {record["step"]: record for record in map(json.loads, lines)}
    ordered = [records[step] for step in sorted(records)]
    if not ordered:
        raise DataError(f"{path} is empty", remedy="train until the first validation")
    return {name: [record[name] for record in ordered] for name in ordered[0]}


def find_run_knee(run: Path) -> tuple[Knee, int]:
    """Return the verdict on a run, and the step to start the next stage from: the knee, or the last sample without one.

    A value that is not finite ends the curve: what follows a diverged step tells nothing.
    """
    curves = read_curves(run)
    steps = [int(step) for step in curves.pop("step")]
    finite = [all(math.isfinite(curve[i]) for curve in curves.values()) for i in range(len(steps))]
    length = finite.index(False) if False in finite else len(steps)
    if length == 0:
        raise DataError(f"no finite validation in {run}", remedy="lower the learning rate and train again")
    knee = find_knee({name: curve[:length] for name, curve in curves.items()})
    return knee, steps[length - 1 if knee.index is None else knee.index]
