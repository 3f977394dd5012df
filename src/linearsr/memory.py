"""How much memory an upscale needs, told before anything is computed.

The decoder dominates: its activations are proportional to the LR pixels it sees at once, a whole image or one tile
with its halo. The image itself, before and after, comes on top. The constants fit measured peaks of float32 on a CPU,
at 256, 512 and 640 pixels a side; ``linearsr bench`` prints the peak beside this estimate.
"""

from __future__ import annotations

AUTO_TILE = 512
"""Side of an automatic tile in LR pixels."""
TILE_HALO = 120
"""LR pixels that the embedded model's decoder needs around a tile."""
WHOLE_LIMIT = (AUTO_TILE + 2 * TILE_HALO) ** 2
"""LR pixels up to which automatic tiling decodes in one piece: as many as a tile with its halo has."""
BASE_BYTES = 660_000_000
DECODER_BYTES_PER_PIXEL = 2_200
IMAGE_BYTES_PER_PIXEL = 16 * 60


def choose_tile(width: int, height: int, tile: int | None) -> int:
    """Side of the tiles for an LR image of this size, 0 for none; ``tile`` None decides by size."""
    if tile is not None:
        return tile
    return AUTO_TILE if width * height > WHOLE_LIMIT else 0


def estimate_peak_memory(width: int, height: int, *, tile: int | None = None) -> int:
    """Return the bytes of main memory that upscaling a ``width`` x ``height`` image is expected to take at its peak."""
    side = choose_tile(width, height, tile)
    across, down = (min(length, side + 2 * TILE_HALO) if side else length for length in (width, height))
    return BASE_BYTES + across * down * DECODER_BYTES_PER_PIXEL + width * height * IMAGE_BYTES_PER_PIXEL
