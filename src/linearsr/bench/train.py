"""Throughput of training: the real loop on pictures of noise, and the share of the device's peak that it reaches.

    share of the peak = multiply-adds of a step, forward and backward / seconds / (multiply-adds per second of large
                        matrix products or convolutions, measured in the same run)

What is computed twice to save memory is not counted twice.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from linearsr.bench.machine import Machine
from linearsr.bench.macs import MacCounter
from linearsr.bench.memory import peak_of
from linearsr.bench.tables import count, markdown_table, megabytes, paragraphs, seconds, share
from linearsr.bench.timing import wait
from linearsr.data.loader import PairPool
from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.autoencoder import SCALE, Autoencoder
from linearsr.models.transformer import LinearTransformer
from linearsr.training.config import StageConfig
from linearsr.training.loop import Watch, train
from linearsr.training.stages import FlowStage, Stage

WARM_UP_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class TrainTiming:
    """Median seconds of a step over ``steps`` steps, and its multiply-adds; memory in bytes on top of the model."""

    stage: str
    batch: int
    lr_side: int
    steps: int
    parameters: int
    seconds: float
    macs: int
    memory: int | None

    @property
    def images_per_second(self) -> float:
        """Crops learned from, per second."""
        return self.batch / self.seconds


def flow_stage(config: StageConfig, transformer: LinearTransformer, autoencoder: Autoencoder) -> Stage:
    """The flow stage of these networks on one picture of noise; both are moved to the configuration's device.

    It takes ``WARM_UP_STEPS`` steps more than the configuration says.
    """
    side = 2 * config.lr_side
    generator = torch.Generator().manual_seed(0)
    hr = torch.randint(0, 256, (3, SCALE * side, SCALE * side), dtype=torch.uint8, generator=generator)
    lr = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, generator=generator)
    pool = PairPool(("noise",), (hr,), (lr,))
    device, longer = config.execution.device, replace(config, steps=config.steps + WARM_UP_STEPS)
    return FlowStage(longer, transformer.to(device), autoencoder.to(device), pool, TimestepDensity())


def time_training(stage: Stage) -> TrainTiming:
    """Train ``stage`` to its end in a folder that is thrown away; its first ``WARM_UP_STEPS`` steps are not timed."""
    config, device = stage.config, torch.device(stage.config.execution.device)
    with MacCounter() as counter:  # before the loop, which may be told to compute things twice
        stage.loss(0)[0].backward()  # type: ignore[no-untyped-call]
    marks: list[float] = []

    def mark(_: StageConfig, done: int, values: Mapping[str, float]) -> None:
        wait(device)
        marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        memory = peak_of(lambda: train(stage, Path(folder), watch=Watch(on_step=mark)), device)
    times = [after - before for before, after in zip(marks[WARM_UP_STEPS - 1 : -1], marks[WARM_UP_STEPS:], strict=True)]
    return TrainTiming(
        stage=config.name,
        batch=config.batch,
        lr_side=config.lr_side,
        steps=len(times),
        parameters=sum(p.numel() for p in stage.module.parameters() if p.requires_grad),
        seconds=statistics.median(times),
        macs=counter.macs,
        memory=memory,
    )


def render_training(timing: TrainTiming, machine: Machine) -> str:
    """Return the Markdown table of one row."""
    header = ("stage", "batch", "crop", "parameters", "s per step", "images/s", "MAC per step", "of the peak", "memory")
    row = (
        timing.stage,
        str(timing.batch),
        f"{SCALE * timing.lr_side}x{SCALE * timing.lr_side}",
        count(timing.parameters),
        seconds(timing.seconds),
        f"{timing.images_per_second:.2f}",
        count(timing.macs),
        share(timing.macs / machine.peak_macs, timing.seconds),
        megabytes(timing.memory),
    )
    notes = (
        f"Median of {timing.steps} steps of the training loop on noise; memory on top of the model, with gradients and "
        f"moments. {machine.sentence()}"
    )
    return paragraphs(markdown_table(header, [row]), notes)
