"""Denoising strip by strip: the rows of ``Denoiser.forward`` in order, in a memory that does not grow with the height.

Legend: LR image (1, 3, H, W) in [-1, 1], H and W multiples of 8.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from linearsr.models import lazy
from linearsr.models.decoding import ascending
from linearsr.models.denoiser import STRIDE, Denoiser, DenoiserConfig
from linearsr.models.lazy import Rows
from linearsr.models.rows import Adding, Chain, EachRow, ReadRows, RowQueue, RowStream, cascade, row_stream


def denoised_rows(
    denoiser: Denoiser,
    read_lr: ReadRows,
    strength: float,
    *,
    height: int,
    rows: int,
    start: int = 0,
    share: float = 1.0,
) -> Iterator[Tensor]:
    """Yield the (1, 3, n, W) float32 rows of the denoised image, from row ``start`` to the last.

    Args:
        denoiser: used as in ``Denoiser.forward``.
        read_lr: gives rows of the LR image.
        strength: that of the noise, in 8-bit levels; less than 0 for the clean answer.
        height: rows of the LR image.
        rows: rows taken at a time, a multiple of 8.
        start: a multiple of 8. Rows above it are read, as far as the denoiser sees.
        share: how much of the noise goes, from 0 to 1.
    """
    row = max(0, start - receptive_radius(denoiser.config))
    stream = _UpdateRows(denoiser, strength, rows)
    for top in range(row, height, rows):
        bottom = min(height, top + rows)
        for update in stream.push(read_lr(top, bottom), last=bottom == height):
            skipped = min(update.shape[2], max(0, start - row))
            first, row = row + skipped, row + update.shape[2]
            if first < row:
                yield read_lr(first, row).add(update[:, :, skipped:], alpha=share)


def receptive_radius(config: DenoiserConfig) -> int:
    """Upper bound of the denoiser's reach, in LR pixels; a multiple of 8."""
    blocks = 2 * config.depth
    # Convolutions at strides of 2, 4 and 8 LR pixels; going down counts twice at the coarser of its strides.
    fine = 2 * (1 + 2 * blocks + 1 + 1)
    middle = 4 * (2 + 2 + 2 * blocks + 1)
    coarse = 8 * (2 + 2 + blocks + 1)
    return -(-(fine + middle + coarse) // STRIDE) * STRIDE


class _UpdateRows:
    """The layers of a denoiser as row streams, wired as in ``Denoiser.forward``."""

    def __init__(self, denoiser: Denoiser, strength: float, rows: int) -> None:
        self._dtype = denoiser.strength_in.weight.dtype
        told = denoiser.told(denoiser.strength_in.weight.new_full((1,), strength))
        stem = Chain(row_stream(denoiser.stem), EachRow(lambda x: lazy.evaluated(x) + told))
        entrances: list[RowStream] = [stem, *map(row_stream, denoiser.down)]
        self._descent = [
            Chain(entrance, row_stream(blocks)) for entrance, blocks in zip(entrances, denoiser.before, strict=True)
        ]
        self._waiting = [RowQueue() for _ in denoiser.up]
        parts: list[nn.Module | Adding] = []
        levels = list(zip(denoiser.up, self._waiting, denoiser.after, strict=True))
        for up, waiting, after in reversed(levels):
            parts += [up, Adding(waiting), *after]  # type: ignore[misc]
        self._ascent = ascending([*parts, *denoiser.tail], rows)

    def push(self, lr: Tensor, *, last: bool) -> Iterator[Tensor]:
        """Take rows of the LR image; yield the update of those that are complete, float32."""
        x: Rows | None = lr.to(self._dtype)
        for stream, waiting in zip(self._descent, [*self._waiting, None], strict=True):
            x = stream.push(x, last=last)
            if waiting is not None:
                waiting.put(x)
        for update in cascade(self._ascent, x, last=last):
            yield lazy.evaluated(update).float()
