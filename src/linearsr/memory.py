"""How much memory an upscale needs, told before anything is computed.

The decoder dominates: its activations are proportional to the LR pixels it sees at once, a whole small image or one
tile with its halo. The image itself, before and after, comes on top. The constants were measured on a CPU
(``linearsr bench`` prints the peak beside this estimate).
"""

from __future__ import annotations

WHOLE_LIMIT = 640 * 640
"""LR pixels up to which the decoder runs in one piece when tiling is automatic."""
AUTO_TILE = 512
"""Side of an automatic tile in LR pixels."""
TILE_HALO = 80
BASE_BYTES = 450_000_000
DECODER_BYTES_PER_PIXEL = 4_000
IMAGE_BYTES_PER_PIXEL = 16 * 40


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
