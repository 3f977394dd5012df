"""Validation during training: the quality of full sampled outputs on fixed pairs, and the weights they came from.

ESGF needs both: the curves to find the knee, and the weights at the knee to start the next stage from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.data.loader import PairPool
from linearsr.diffusion.sampler import noise, plan_timesteps, sample
from linearsr.errors import DataError
from linearsr.models.autoencoder import LR_STRIDE, Autoencoder
from linearsr.models.denoiser import Denoiser
from linearsr.models.judging import denoised_batch
from linearsr.models.perceptual import LPIPS
from linearsr.models.transformer import LinearTransformer
from linearsr.training.esgf import Knee, find_knee
from linearsr.training.features import FEATURES, feature_statistics, recorded_features
from linearsr.training.samples import comparison_sheet, write_sheet
from linearsr.training.tensors import read_tensors, write_tensors

LRVelocity = Callable[[Tensor, float, Tensor], Tensor]
"""(latent, t, LR image) -> velocity; an ExpertTransformer is one."""
CURVES_NAME = "validation.jsonl"
DIAGNOSTICS = ("loss", *FEATURES)
"""Curves that explain a run; the knee is found from the others, which measure quality."""
DEFAULT_STEPS = 4
"""Sampling steps of a validated output, as in use."""


@dataclass(frozen=True)
class Measurement:
    """What a validation gives: metric -> value, and a (3, H, W) uint8 picture to look at."""

    values: dict[str, float]
    picture: Tensor | None = field(default=None, compare=False)

    def with_values(self, **more: float) -> Measurement:
        """Return the measurement with further values."""
        return replace(self, values={**self.values, **more})


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Called by the loop after every ``every`` steps and after the last, with the EMA weights in place."""

    every: int
    measure: Callable[[], Measurement]


@dataclass(frozen=True)
class ValidationSet:
    """Fixed pairs in [-1, 1]: (B, 3, h, w) LR and (B, 3, 4h, 4w) HR."""

    lr: Tensor
    hr: Tensor
    lpips: LPIPS

    @classmethod
    def from_pool(cls, pool: PairPool, lpips: LPIPS, *, size: int, lr_side: int, device: str = "cpu") -> ValidationSet:
        """Draw ``size`` crops from a pool of photos that are kept out of training."""
        lr, hr = (images.to(device) for images in pool.batch(0, seed=0, size=size, lr_side=lr_side))
        return cls(lr.contiguous(memory_format=torch.channels_last), hr, lpips)

    def less_noise(self, denoiser: Denoiser) -> ValidationSet:
        """The same with LR images less their noise."""
        return replace(self, lr=denoised_batch(self.lr, denoiser))

    @torch.no_grad()
    def measure(
        self,
        velocity: LRVelocity,
        autoencoder: Autoencoder,
        boundaries: Sequence[float],
        *,
        steps: int = DEFAULT_STEPS,
        watched: LinearTransformer | None = None,
    ) -> Measurement:
        """PSNR and LPIPS of the full output: a latent sampled in ``steps``, then decoded.

        With ``watched``, also the statistics of its features over all sampling steps it runs in.
        """
        if watched is None:
            return self._score(self._output(velocity, autoencoder, boundaries, steps))
        with recorded_features(watched) as features:
            output = self._output(velocity, autoencoder, boundaries, steps)
        return self._score(output).with_values(**feature_statistics(torch.cat(features)))

    def _output(
        self, velocity: LRVelocity, autoencoder: Autoencoder, boundaries: Sequence[float], steps: int
    ) -> Tensor:
        shape = (len(self.lr), autoencoder.config.latent_channels, *(side // LR_STRIDE for side in self.lr.shape[-2:]))
        z1 = noise(shape, torch.Generator().manual_seed(0)).to(self.lr.device)
        timesteps = plan_timesteps(steps, boundaries)
        latent = sample(lambda z, t: velocity(z, t, self.lr), z1, timesteps)
        # One at a time: at the paper's scale, decoding one picture takes gigabytes.
        images = [autoencoder.decode(z[None], lr[None]) for z, lr in zip(latent, self.lr, strict=True)]
        return torch.cat(images).clamp(-1, 1) / 2 + 0.5

    def _score(self, output: Tensor) -> Measurement:
        target = self.hr / 2 + 0.5
        errors = F.mse_loss(output, target, reduction="none").mean((1, 2, 3))
        lpips = torch.cat([self.lpips(x[None], y[None]) for x, y in zip(output, target, strict=True)])
        values = {"psnr": float((-10 * errors.log10()).mean()), "lpips": float(lpips.mean())}
        return Measurement(values, comparison_sheet(self.lr / 2 + 0.5, output, target))


def at_every_t(transformer: nn.Module) -> LRVelocity:
    """Let one transformer, which takes a (B,) tensor of timesteps, serve the whole of t."""

    def velocity(z: Tensor, t: float, lr: Tensor) -> Tensor:
        v: Tensor = transformer(z, z.new_full((len(z),), t), lr)
        return v

    return velocity


def record_validation(run: Path, step: int, measured: Measurement, weights: dict[str, Tensor]) -> None:
    """Keep weights and picture after ``step`` steps, then their line in ``validation.jsonl``: none without weights."""
    write_tensors(snapshot_path(run, step), weights)
    if measured.picture is not None:
        write_sheet(run / "samples" / f"{step:08d}.png", measured.picture)
    with (run / CURVES_NAME).open("a", encoding="utf-8") as stream:
        print(json.dumps({"step": step, **measured.values}), file=stream, flush=True)


def snapshot_path(run: Path, step: int) -> Path:
    """Where the EMA weights after ``step`` steps lie."""
    return run / f"ema-{step:08d}.safetensors"


def load_snapshot(run: Path, step: int) -> dict[str, Tensor]:
    """Read the EMA weights after ``step`` steps.

    Raises:
        TrainingError: if they are missing, or do not match their SHA-256.
    """
    weights, _ = read_tensors(snapshot_path(run, step), remedy="start from another validated step")
    return weights


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
    quality = {name: curve for name, curve in curves.items() if name not in DIAGNOSTICS}
    finite = [all(math.isfinite(curve[i]) for curve in quality.values()) for i in range(len(steps))]
    length = finite.index(False) if False in finite else len(steps)
    if length == 0:
        raise DataError(f"no finite validation in {run}", remedy="lower the learning rate and train again")
    knee = find_knee({name: curve[:length] for name, curve in quality.items()})
    return knee, steps[length - 1 if knee.index is None else knee.index]
