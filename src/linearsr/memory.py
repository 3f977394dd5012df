"""How an image is cut into strips, and how much memory an upscale needs, told before anything is computed.

The decoder dominates: its activations are proportional to the LR pixels it holds at once, a whole small image or one
strip, plus the rows that features wait for the deeper path. The LR image and the latents come on top, as far as they do
not lie in files. The constants fit measured peaks of the embedded model, float32 on a CPU
(docs/decisions/0008-strips.md); ``linearsr bench`` prints both. Of decoders of another geometry, a DC-AE above all,
nothing is known beforehand. Neither is it of noise: taking it out adds up to a tenth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from linearsr.catalog import DEFAULT_MODEL, EMBEDDED, INDEX_NAME, embedded_folder
from linearsr.scratch import is_large

if TYPE_CHECKING:
    from torch import Tensor

CELL = 8
"""LR pixels along a side of a latent cell."""
WHOLE_LIMIT = 256 * 256
"""LR pixels up to which an image is decoded in one piece."""
AUTO_TILE = 128
"""Side of a square of LR pixels as large as an automatic strip on a CPU in float32: its activations stay in the caches.
In 16 bits a strip of as many bytes has twice the area."""
AUTO_TILE_ACCELERATOR = 1024
"""The same where memory is large and a short strip leaves most of the device idle."""
TALL_ROWS = 16
"""LR rows of an automatic strip where they take up to twice that area: the two rows that every convolution carries over
are copied, and cost the less the more rows are computed from them."""
TOKENS_PER_STRIP = 2048
"""Fewest tokens the transformer takes at a time; on a CPU, hidden features of more no longer fit the caches."""
ON_DEMAND_FROM = 1_000_000
"""LR pixels of a picture beside which reading each expert when it is needed takes next to no time."""

BASE_BYTES = 460_000_000
IDLE_EXPERTS_BYTES = 110_000_000
"""Part of it: three experts of four."""
WHOLE_BYTES_PER_PIXEL = 5_200
STRIP_BYTES_PER_PIXEL = 10_500
WAITING_BYTES_PER_COLUMN = 55_000
IMAGE_BYTES_PER_PIXEL = 3, 2, 2, 2
"""Of the LR image, and of the latent, its velocity and the next latent."""


@dataclass(frozen=True, kw_only=True)
class StripPlan:
    """LR rows that the decoder takes at a time, and token rows (one to 8 LR rows) that the transformer does."""

    decoder_rows: int
    transformer_rows: int

    @property
    def halved(self) -> StripPlan | None:
        """The next smaller plan, or None where nothing is left to halve."""
        if self.decoder_rows == self.transformer_rows == 1:
            return None
        return StripPlan(
            decoder_rows=max(1, self.decoder_rows // 2), transformer_rows=max(1, self.transformer_rows // 2)
        )


def plan_strips(width: int, height: int, tile: int | None, *, like: Tensor | None = None) -> StripPlan:
    """Cut an LR image of this size into strips of about ``tile`` x ``tile`` pixels.

    ``tile`` 0 leaves it whole, None decides by size, and by device and precision of activations ``like`` a tensor, by
    default float32 on a CPU. The result is the same whatever the plan.
    """
    across, down = -(-width // CELL), -(-height // CELL)
    whole = StripPlan(decoder_rows=down * CELL, transformer_rows=down)
    if tile == 0:
        return whole
    area = tile**2 if tile else _automatic_area(like)
    tokens = area // CELL**2 if tile else max(TOKENS_PER_STRIP, area // CELL**2)
    transformer_rows = min(down, max(1, tokens // across))
    if tile is None and width * height <= max(WHOLE_LIMIT, area):
        return StripPlan(decoder_rows=whole.decoder_rows, transformer_rows=transformer_rows)
    decoder_rows = max(1, area // (across * CELL))
    if tile is None and TALL_ROWS * across * CELL <= 2 * area:
        decoder_rows = max(TALL_ROWS, decoder_rows)
    return StripPlan(decoder_rows=min(whole.decoder_rows, decoder_rows), transformer_rows=transformer_rows)


def _automatic_area(like: Tensor | None) -> int:
    if like is None:
        return AUTO_TILE**2
    if like.device.type != "cpu":
        return AUTO_TILE_ACCELERATOR**2
    return AUTO_TILE**2 * 4 // like.element_size()


def is_measured(model: str) -> bool:
    """Tell whether the estimate holds for a model: an embedded one, or a folder with a decoder of the same geometry.

    Nothing is fetched: of a model on the hub it is not known.
    """
    if model in EMBEDDED:
        return True
    folders = Path(model), embedded_folder(DEFAULT_MODEL)
    try:
        own, measured = (json.loads((folder / INDEX_NAME).read_text(encoding="utf-8")) for folder in folders)
        return bool(own["autoencoder"] == measured["autoencoder"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def estimate_peak_memory(width: int, height: int, *, tile: int | None = None, on_demand: bool = False) -> int:
    """Return the bytes of main memory that upscaling a ``width`` x ``height`` image is expected to take at its peak.

    It holds for models that :func:`is_measured` tells. ``on_demand``: one expert is in memory at a time.
    """
    plan = plan_strips(width, height, tile)
    across, down = -(-width // CELL) * CELL, -(-height // CELL) * CELL
    if plan.decoder_rows >= down:
        decoder = across * down * WHOLE_BYTES_PER_PIXEL
    else:
        decoder = across * (plan.decoder_rows * STRIP_BYTES_PER_PIXEL + WAITING_BYTES_PER_COLUMN)
    images = [across * down * size for size in IMAGE_BYTES_PER_PIXEL]
    base = BASE_BYTES - IDLE_EXPERTS_BYTES * on_demand
    return base + decoder + sum(size for size in images if not is_large(size))
