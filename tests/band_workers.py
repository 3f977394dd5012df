"""What each process of a group does in the tests of images that several processes share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from small_models import photo, randn, small_denoiser, small_pipeline, small_transformer

from linearsr.imaging.picture import Picture
from linearsr.models.peers import Group
from linearsr.models.sweep import velocity_in_strips
from linearsr.pipeline import SRPipeline
from linearsr.request import ColorFix, UpscaleRequest

GRID = (11, 3)
FIXES: tuple[ColorFix, ...] = ("wavelet", "adain")


def velocity_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """A latent and an LR image of ``GRID``."""
    return randn(1, 4, *GRID), randn(1, 3, 8 * GRID[0], 8 * GRID[1], seed=1).tanh()


def picture() -> Picture:
    """A picture with alpha whose height is no multiple of anything."""
    pixels = photo(171, 27)
    return Picture(color=pixels, alpha=pixels[..., 0].copy())


def pipeline() -> SRPipeline:
    """A pipeline that takes noise out."""
    return small_pipeline(denoiser=small_denoiser())


def upscale_request(fix: ColorFix, tile: int | None = None) -> UpscaleRequest:
    """What is asked of it."""
    return UpscaleRequest(scale=3, denoise=0.8, tile=tile, color_fix=fix)


def run(rank: int, count: int, folder: Path) -> None:
    """Compute a velocity and upscale a picture as one of ``count`` processes; rank 0 saves what came out."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    try:
        group = Group()
        z, lr = velocity_inputs()
        model = small_transformer()
        with torch.inference_mode():
            condition = model.condition(torch.tensor([0.4]))
            v = velocity_in_strips(model, z, condition, lambda a, b: lr[:, :, a:b], rows=2, peers=group)
        np.save(folder / f"velocity{rank}.npy", v.numpy())
        for fix in FIXES:
            request = upscale_request(fix, tile=32)
            strips = pipeline().stream(picture(), request, peers=group)
            if rank == 0:
                result = strips.gather()
                np.save(folder / f"{fix}.npy", np.dstack((result.color, result.alpha)))
            else:
                assert list(strips.rows) == []
    finally:
        dist.destroy_process_group()
