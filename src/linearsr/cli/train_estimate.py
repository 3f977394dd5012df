"""What ``linearsr train STAGE --dry-run`` says: what a step takes on one GPU and on several."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from linearsr.training.config import StageConfig
    from linearsr.training.estimate import StepCost
    from linearsr.training.plans import Recipe

GPUS: tuple[tuple[int, Literal["ddp", "fsdp"]], ...] = ((1, "ddp"), (8, "ddp"), (8, "fsdp"), (64, "ddp"), (64, "fsdp"))
GPU_BYTES = 80_000_000_000
PEAK_FLOPS = 312e12
"""Dense bfloat16 of an A100 or A800, the paper's GPU."""
EFFICIENCY = 0.4
SPARE = 0.1
"""Share of the memory that is left to the driver, to communication and to fragments."""


def show_estimate(recipe: Recipe, stage: StageConfig) -> None:
    """Print parameters, FLOPs, memory and time of a step of ``stage``; nothing is computed or read."""
    import torch

    from linearsr.dc_ae import F32C32, build_autoencoder
    from linearsr.models.autoencoder import SCALE, AutoencoderConfig
    from linearsr.models.transformer import LinearTransformer
    from linearsr.training.estimate import trace_step

    geometry = recipe.autoencoder_model
    settings = vars(geometry) if isinstance(geometry, AutoencoderConfig) else {"network": F32C32}
    with torch.device("meta"):
        parameters = sum(value.numel() for value in LinearTransformer(recipe.transformer_model).parameters())
        autoencoder = build_autoencoder(settings)
    cost = trace_step(stage, recipe.transformer_model, autoencoder.encoder.to("meta"))
    side = stage.lr_side * SCALE
    click.echo(f"{stage.name}: {parameters:,} parameters, batches of {stage.batch} crops to {side} x {side} pixels")
    click.echo(
        f"a step: {cost.flops(recompute=False) / 1e12:,.1f} TFLOP, "
        f"{cost.flops(recompute=True) / 1e12:,.1f} with --recompute; {stage.steps:,} steps, {stage.optimizer}"
    )
    click.echo(_HEADER)
    for gpus, mode in GPUS:
        for recompute in (False, True):
            click.echo(_row(cost, gpus, mode, recompute=recompute))
    click.echo(
        f"Assumed: GPUs of {GPU_BYTES / 1e9:.0f} GB, {SPARE:.0%} of it spare; {PEAK_FLOPS / 1e12:.0f} TFLOP/s at best, "
        f"of which {EFFICIENCY:.0%} are reached; photos and communication keep up.\n"
        "Parts: the least --accumulate that fits. Sizes are GB of a GPU; activations the encoder's where it has more.\n"
        "FSDP goes with adamw."
    )


_HEADER = (
    f"{'GPUs':>4} {'mode':>5} {'recompute':>9} {'parts':>5} {'weights':>8} {'gradients':>9} {'moments':>8} {'EMA':>6} "
    f"{'activations':>11} {'peak':>6} {'s/step':>8} {'days':>7}"
)


def _row(cost: StepCost, gpus: int, mode: Literal["ddp", "fsdp"], *, recompute: bool) -> str:
    if mode == "fsdp":  # the only optimizer that works there
        cost = replace(cost, config=replace(cost.config, optimizer="adamw"))
    shards = gpus if mode == "fsdp" else 1
    state = cost.state(shards=shards)
    begin = f"{gpus:>4} {mode:>5} {'yes' if recompute else 'no':>9}"
    for parts in _parts(cost.config, gpus):
        samples = cost.config.batch // gpus // parts
        activations = cost.activations(samples, recompute=recompute, sharded=shards > 1)
        peak = cost.peak(samples, recompute=recompute, shards=shards)
        if peak <= (1 - SPARE) * GPU_BYTES:
            seconds = cost.flops(recompute=recompute) / gpus / (PEAK_FLOPS * EFFICIENCY)
            sizes = (state.weights, state.gradients, state.moments, state.average, activations, peak)
            widths = (8, 9, 8, 6, 11, 6)
            columns = " ".join(f"{size / 1e9:>{width}.2f}" for size, width in zip(sizes, widths, strict=True))
            return f"{begin} {parts:>5} {columns} {seconds:>8.2f} {seconds * cost.config.steps / 86400:>7.1f}"
    return f"{begin} a batch of {cost.config.batch} cannot be split so that it fits"


def _parts(stage: StageConfig, gpus: int) -> list[int]:
    """Numbers of parts that a GPU's share of the batch can be computed in, from what is asked for on."""
    if stage.batch % gpus:
        return []
    share = stage.batch // gpus
    return [parts for parts in range(stage.execution.accumulate, share + 1) if share % parts == 0]
