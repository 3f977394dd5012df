"""Three training steps of a narrow SANA, for several processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from sana_weights import SMALL
from several_ranks import random_pool
from small_dc_ae import SMALL_F32C4, small_dc_ae
from small_models import awake, seeded

from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.transformer import LinearTransformer
from linearsr.training import distributed
from linearsr.training.config import Execution, StageConfig
from linearsr.training.distributed import Parallelism
from linearsr.training.loop import train
from linearsr.training.stages import FlowStage

NARROW_600M = replace(SMALL, depth=28)
"""Sana-600m, all 28 blocks and every kind of layer, with a twelfth of the width."""
DC_AE = {
    **SMALL_F32C4,
    "latent_channels": 32,
    "encoder_block_out_channels": (8, 8, 8, 8, 8, 32),
    "decoder_block_out_channels": (8, 8, 8, 8, 8, 32),
}
STEPS = 3


def train_narrow_sana(folder: str, mode: str, parts: int) -> None:
    """Train and write the weights, with activation checkpointing, each rank's share of a batch in ``parts``."""
    execution = Execution(recompute=True, accumulate=parts)
    config = StageConfig(
        name="flow", steps=STEPS, batch=4, lr_side=16, learning_rate=1e-3, warmup=1, execution=execution
    )
    transformer = seeded(0, lambda: awake(LinearTransformer(NARROW_600M)))
    stage = FlowStage(config, transformer, small_dc_ae(DC_AE), random_pool(), TimestepDensity())  # type: ignore[arg-type]
    weights = train(stage, Path(folder), parallelism=Parallelism(mode=mode))
    if distributed.is_main():
        save_file({name: value.contiguous() for name, value in weights.items()}, Path(folder) / "end.safetensors")
