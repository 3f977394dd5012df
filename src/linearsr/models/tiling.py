"""Decoding in tiles that equal the whole.

The decoder has a finite receptive field and no statistic over space, so a tile decoded with a halo of at least that
radius is the same as that part of the whole picture, up to rounding. The transformer still sees all tokens at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from linearsr.models.autoencoder import LR_STRIDE, SCALE, Autoencoder, AutoencoderConfig


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in latent cells: ``start:stop`` is kept out of ``low:high``, which is decoded."""

    start: int
    stop: int
    low: int
    high: int


def spans(length: int, tile: int, halo: int) -> Iterator[Span]:
    """Cut ``length`` cells into tiles of ``tile`` cells with ``halo`` cells around each, clipped at the ends."""
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield Span(start, stop, max(0, start - halo), min(length, stop + halo))


def receptive_radius(config: AutoencoderConfig) -> int:
    """Upper bound of the decoder's reach, in latent cells."""
    # Per level, at strides 2 to 8 of LR pixels: strided convolution 2, its block 2, mixing block 2, climbing 1.
    levels = sum(stride * (2 + 2 + 2 + 1) for stride in (2, 4, 8))
    native = 1 + 2 * config.depth + 4
    return -(-(levels + native) // LR_STRIDE)


def decode_tiled(autoencoder: Autoencoder, latent: Tensor, lr: Tensor, tile: int) -> Tensor:
    """Decode as ``autoencoder.decode`` does, ``tile`` LR pixels at a time.

    Args:
        latent: (1, C, H, W).
        lr: (1, 3, 8H, 8W) in [-1, 1].
        tile: side of a tile in LR pixels, rounded down to a multiple of 8.

    Returns:
        (1, 3, 32H, 32W) float32 on the device of ``lr``.
    """
    halo, cells = receptive_radius(autoencoder.config), max(1, tile // LR_STRIDE)
    height, width = latent.shape[-2:]
    up = LR_STRIDE * SCALE
    image = torch.empty((1, 3, height * up, width * up), device=lr.device)
    for rows in spans(height, cells, halo):
        for columns in spans(width, cells, halo):
            part = autoencoder.decode(
                latent[..., rows.low : rows.high, columns.low : columns.high],
                lr[
                    ...,
                    rows.low * LR_STRIDE : rows.high * LR_STRIDE,
                    columns.low * LR_STRIDE : columns.high * LR_STRIDE,
                ],
            )
            top, left = (rows.start - rows.low) * up, (columns.start - columns.low) * up
            tall, wide = (rows.stop - rows.start) * up, (columns.stop - columns.start) * up
            target = image[..., rows.start * up : rows.stop * up, columns.start * up : columns.stop * up]
            target.copy_(part[..., top : top + tall, left : left + wide])
    return image
