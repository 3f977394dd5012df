"""Decoding strip by strip: the rows of ``Decoder.forward`` in order, in a memory that does not grow with the height.

A strip of the LR image and its latent go in; each level of the pyramid, of the climb and of the tail runs as a row
stream, and features wait in queues until the deeper path has caught up with them. Nothing is computed twice but the
stem, one convolution of three channels: its features, the largest that would wait, are made when they are needed.

Legend: C latent channels, H x W latent grid; LR rows are 8 and HR rows 32 to a latent row.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models import bicubic, lazy
from linearsr.models.autoencoder import LR_STRIDE, SCALE, Decoder, Upsample, enlarge, receptive_radius
from linearsr.models.lazy import Rows
from linearsr.models.rows import Adding, ReadRows, RowDecoder, RowQueue, RowStream, cascade, row_stream

FINISHED_ROWS = 32
"""HR rows passed on at a time: what becomes of them takes several times their memory."""


def decode_rows(
    decoder: Decoder | RowDecoder,
    latent: Tensor,
    read_lr: ReadRows,
    *,
    rows: int,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the detail and the enlarged LR image, whose sum is the HR image, from top to bottom.

    Both are (1, 3, n, 32W) float32.

    Args:
        decoder: used as in ``Decoder.forward``.
        latent: (1, C, H, W).
        read_lr: gives rows of the (1, 3, 8H, 8W) LR image.
        rows: LR rows that the finest levels take at a time; the coarse ones take whole latent rows, at least one.
        start: first latent row to decode.
        stop: latent row to stop before; None is H. Rows outside are read, as far as the decoder sees, but not returned.
    """
    height = latent.shape[2]
    stop = height if stop is None else stop
    if rows >= height * LR_STRIDE and (start, stop) == (0, height):
        lr = read_lr(0, height * LR_STRIDE)
        yield decoder.detail(latent, lr), enlarge(lr)
        return
    if isinstance(decoder, RowDecoder):
        yield from decoder.rows(latent, read_lr, rows=rows, start=start, stop=stop)
        return
    halo = receptive_radius(decoder.config)
    first, end = max(0, start - halo), min(height, stop + halo)
    up = LR_STRIDE * SCALE
    row = first * up
    lr_rows = range(first * LR_STRIDE, end * LR_STRIDE)
    strips, cells = _DecoderRows(decoder, read_lr, lr_rows, rows), max(1, rows // LR_STRIDE)
    for top in range(first, end, cells):
        bottom = min(end, top + cells)
        lr = read_lr(top * LR_STRIDE, bottom * LR_STRIDE)
        made = strips.push(latent[:, :, top:bottom], lr, last=bottom == end)
        for detail in (part for strip in made for part in torch.split(strip, FINISHED_ROWS, dim=2)):
            low, high = max(row, start * up), min(row + detail.shape[2], stop * up)
            if low < high:
                source = _enlarged(read_lr, low, high, height * LR_STRIDE)
                yield detail[:, :, low - row : high - row], source
            row += detail.shape[2]


def _enlarged(read_lr: ReadRows, low: int, high: int, height: int) -> Tensor:
    """Rows ``low`` to ``high`` of the enlargement of ``height`` LR rows."""
    top = max(0, low // SCALE - bicubic.REACH)
    bottom = min(height, -(-high // SCALE) + bicubic.REACH)
    return enlarge(read_lr(top, bottom))[:, :, low - top * SCALE : high - top * SCALE]


class _DecoderRows:
    """The layers of a decoder as row streams, wired as in ``Decoder.forward``."""

    def __init__(self, decoder: Decoder, read_lr: ReadRows, lr_rows: range, native_rows: int) -> None:
        """``lr_rows`` will be pushed, and ``native_rows`` rows at native LR may be worked on at once."""
        stem = decoder.pyramid.stem
        self._latent_in = decoder.latent_in
        self._pyramid = [row_stream(part) for part in (stem, *decoder.pyramid.levels)]
        self._latents, self._waiting = RowQueue(), [RowQueue() for _ in decoder.climb[:-1]]
        finer: list[RowQueue | _StemRows] = [*self._waiting, _StemRows(stem, read_lr, lr_rows)]
        parts: list[nn.Module | Adding] = []
        for mix, climb, features in zip(decoder.mix, decoder.climb, finer, strict=True):
            parts += [mix, climb, Adding(features)]
        parts += [*decoder.trunk, Adding(_StemRows(stem, read_lr, lr_rows)), *decoder.tail]
        self._ascent = ascending(parts, native_rows)

    def push(self, latent: Tensor, lr: Tensor, *, last: bool) -> Iterator[Tensor]:
        """Take strips of the latent and the LR image; yield the detail rows that are complete, float32."""
        dtype = self._latent_in.weight.dtype
        self._latents.put(self._latent_in(latent.to(dtype)))
        x: Rows | None = lr.to(dtype)
        for stream, waiting in zip(self._pyramid, [None, *self._waiting[::-1], None], strict=True):
            x = stream.push(x, last=last)
            if waiting is not None:
                waiting.put(x)
        for detail in cascade(self._ascent, Adding(self._latents).push(x, last=last), last=last):
            yield lazy.evaluated(detail).float()


def ascending(parts: list[nn.Module | Adding], native_rows: int) -> list[tuple[RowStream, int]]:
    """Return the steps from the latent grid up, as ``cascade`` takes them: at twice the side, twice the rows.

    ``native_rows`` is how many rows a part takes at native LR.
    """
    steps: list[tuple[RowStream, int]] = []
    level = 0
    for part in parts:
        stream = part if isinstance(part, Adding) else row_stream(part)
        steps.append((stream, max(1, native_rows * 2**level // LR_STRIDE)))
        level += isinstance(part, Upsample)
    return steps


class _StemRows:
    """The rows of the stem's features, in order, computed from the LR image when they are taken."""

    def __init__(self, stem: nn.Conv2d, read_lr: ReadRows, lr_rows: range) -> None:
        self._stem, self._read, self._rows, self._next = stem, read_lr, lr_rows, lr_rows.start

    def take(self, count: int) -> Tensor:
        """Return the next ``count`` rows, (1, C, count, 8W)."""
        top, bottom = self._next - 1, self._next + count + 1
        self._next += count
        first, end = max(top, self._rows.start), min(bottom, self._rows.stop)
        weight, bias = self._stem.weight, self._stem.bias
        lr = F.pad(self._read(first, end).to(weight.dtype), (0, 0, first - top, bottom - end))
        return F.conv2d(lr, weight, bias, padding=(0, 1))
