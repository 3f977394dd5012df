"""Train the embedded model from photo shards to shipped weights: autoencoder, flow, experts, polish.

    python recipes/train_tiny.py --photos SHARDS --perceptual WEIGHTS --run RUN --out src/linearsr/weights/tiny

SHARDS holds ``*.tar`` and ``manifest.csv``; WEIGHTS comes from ``recipes/perceptual_weights.py``. Every stage resumes
from its own folder under RUN, so an interrupted run continues with the same command.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from linearsr.data.loader import PairPool, build_pool
from linearsr.data.photos import read_photos
from linearsr.diffusion.flow import TimestepDensity
from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.perceptual import LPIPS
from linearsr.models.transformer import LinearTransformer, TransformerConfig
from linearsr.pipeline import SRPipeline
from linearsr.training.loop import train
from linearsr.training.objective import ImageLoss, ImageLossWeights
from linearsr.training.stages import AutoencoderStage, FlowStage, LatentMix, PolishStage, Stage, StageConfig
from linearsr.training.validation import Validation, ValidationSet, at_every_t, find_run_knee, load_snapshot

BASE = StageConfig(name="base", steps=1800, batch=8, lr_side=32, learning_rate=5e-4, warmup=100, clip_norm=0.5, seed=1)
AUTOENCODER = StageConfig(name="autoencoder", steps=700, batch=8, lr_side=32, learning_rate=5e-4, clip_norm=0.5, seed=5)
FLOW = StageConfig(name="flow", steps=700, batch=16, lr_side=64, learning_rate=1e-3, weight_decay=0.01, seed=2)
VALIDATE_EVERY = 35
EXPERT = StageConfig(
    name="expert", steps=120, batch=16, lr_side=64, learning_rate=3e-4, warmup=20, ema_decay=0.98, seed=3
)
POLISH = StageConfig(name="polish", steps=2200, batch=4, lr_side=48, learning_rate=2e-4, clip_norm=0.5, seed=4)
BASE_LOSS = ImageLossWeights(l1=1.0, lpips=0.2)
AUTOENCODER_LOSS = ImageLossWeights(l1=1.0, lpips=0.2, texture=0.02)
POLISH_LOSS = ImageLossWeights(l1=3.0, lpips=0.2, grid=4.0, dists=0.3, dists_samples=1, adversarial=0.01)


def main() -> None:
    """Run every stage and save the pipeline."""
    arguments = _arguments()
    torch.manual_seed(0)
    pool = _pool(arguments.photos, arguments.run)
    autoencoder = Autoencoder(AutoencoderConfig()).to(memory_format=torch.channels_last)
    timings: dict[str, float] = {}

    def run(stage: Stage, folder: str, validation: Validation | None = None) -> None:
        started = time.perf_counter()
        stage.module.load_state_dict(train(stage, arguments.run / folder, validation))
        timings[folder] = round(time.perf_counter() - started, 1)

    loss = ImageLoss(BASE_LOSS, arguments.perceptual)
    run(AutoencoderStage(BASE, autoencoder, pool, loss, LatentMix(intact=0, noised=0)), "base")
    loss = ImageLoss(AUTOENCODER_LOSS, arguments.perceptual)
    run(AutoencoderStage(AUTOENCODER, autoencoder, pool, loss, LatentMix(intact=0.5, noised=0.4)), "autoencoder")
    transformer = LinearTransformer(TransformerConfig())
    fixed = _validation_set(arguments.photos, arguments.perceptual)
    validation = Validation(every=VALIDATE_EVERY, measure=lambda: fixed.score(at_every_t(transformer), autoencoder))
    run(FlowStage(FLOW, transformer, autoencoder, pool, TimestepDensity()), "flow", validation)
    knee, start = find_run_knee(arguments.run / "flow")
    print(f"experts start from step {start}: {knee.reason}")
    transformer.load_state_dict(load_snapshot(arguments.run / "flow", start))
    experts = ExpertTransformer(ExpertsConfig(), transformer.config)
    for index, expert in enumerate(experts.experts):
        _copy_weights(transformer, expert)
        low, high = experts.config.interval(index)
        run(FlowStage(EXPERT, expert, autoencoder, pool, TimestepDensity(low=low, high=high)), f"expert{index + 1}")
    polish = PolishStage(POLISH, autoencoder, experts, pool, ImageLoss(POLISH_LOSS, arguments.perceptual))
    validation = Validation(every=200, measure=lambda: fixed.score(experts, autoencoder))
    run(polish, "polish", validation)
    SRPipeline(autoencoder, experts, name="tiny").save_pretrained(arguments.out, compact=True)
    (arguments.run / "timings.json").write_text(json.dumps(timings, indent=2), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--photos", "--perceptual", "--run", "--out"):
        parser.add_argument(name, type=Path, required=True)
    return parser.parse_args()


def _pool(photos: Path, run: Path) -> PairPool:
    """The training split, degraded three times per photo; kept under ``run`` because building it takes minutes."""
    cached = sorted(run.glob("pool*.safetensors"))
    if not cached:
        run.mkdir(parents=True, exist_ok=True)
        split = [photo for photo in read_photos(photos) if not photo.validation]
        build_pool(split, variants=3, seed=1).save(run / "pool.safetensors")
    return PairPool.load(*sorted(run.glob("pool*.safetensors")))


def _validation_set(photos: Path, perceptual: Path) -> ValidationSet:
    """Crops of the photos that are kept out of training."""
    split = [photo for photo in read_photos(photos) if photo.validation]
    lpips = LPIPS(load_file(perceptual / "lpips_alexnet.safetensors"))
    return ValidationSet.from_pool(build_pool(split, variants=1, seed=2), lpips, size=16, lr_side=64)


def _copy_weights(source: nn.Module, target: nn.Module) -> None:
    target.load_state_dict(copy.deepcopy(source.state_dict()))


if __name__ == "__main__":
    main()
