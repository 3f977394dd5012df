"""The transformer strip by strip: exact global attention at a memory of one tensor of tokens.

For every block, one sweep over the strips of the token grid:

    x <- block(x | summary),    next summary += keys and values that the next block makes of the new x

The summary of linear attention is a plain sum over tokens, so it is complete when the sweep before has ended. The 3x3
depth-wise convolution runs as a row stream, one row behind. Other processes may hold other bands of the same image.

Legend: C latent channels, H x W latent grid, D width; LR rows are 8 to a token row. Batch size is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from linearsr.models.autoencoder import LR_STRIDE
from linearsr.models.blocks import LinearBlock, modulate
from linearsr.models.conditioning import Condition
from linearsr.models.large import roomy_empty
from linearsr.models.lazy import evaluated
from linearsr.models.peers import Alone, Peers
from linearsr.models.rows import ConvRows, ReadRows, RowQueue
from linearsr.models.transformer import LinearTransformer

Strip = tuple[int, int]
"""First row of a strip and the row after its last."""
_LR_HALO = 1
"""Token rows around a band that its LR features depend on."""


def velocity_in_strips(
    transformer: LinearTransformer,
    z_t: Tensor,
    condition: Condition,
    read_lr: ReadRows,
    *,
    rows: int,
    peers: Peers | None = None,
) -> Tensor:
    """Return what ``transformer`` returns, computed ``rows`` token rows at a time.

    Args:
        transformer: the velocity predictor.
        z_t: (1, C, H, W) noisy latent, whole on every process.
        condition: timestep and guidance, from ``transformer.condition``.
        read_lr: gives rows of the (1, 3, 8H, 8W) LR image.
        rows: token rows per strip.
        peers: the processes that share the image; None is this one alone.
    """
    if rows >= z_t.shape[2] and peers is None:
        return transformer.velocity(z_t, condition, read_lr(0, z_t.shape[2] * LR_STRIDE))
    peers = peers or Alone()
    sweep = _Sweep(transformer, condition, z_t, read_lr, rows, peers)
    summary = sweep.embed()
    for index in range(len(transformer.blocks)):
        summary = sweep.run_block(index, peers.add_up(summary))
    return peers.join(sweep.velocity)


class _Sweep:
    """Tokens of this process's band and the passes over them."""

    def __init__(
        self,
        transformer: LinearTransformer,
        condition: Condition,
        z_t: Tensor,
        read_lr: ReadRows,
        rows: int,
        peers: Peers,
    ) -> None:
        self._transformer, self._condition, self._peers = transformer, condition, peers
        self._z_t, self._read_lr, self._rows = z_t, read_lr, rows
        self._blocks: list[LinearBlock] = list(transformer.blocks)  # type: ignore[arg-type]
        self._height, self._width = z_t.shape[-2:]
        self._top, self._bottom = peers.band(self._height)
        own = self._bottom - self._top
        self._tokens = roomy_empty((own, self._width, transformer.config.width), z_t)
        self.velocity = roomy_empty((1, z_t.shape[1], own, self._width), z_t)

    def _strips(self) -> Iterator[Strip]:
        height = self._bottom - self._top
        return ((top, min(height, top + self._rows)) for top in range(0, height, self._rows))

    def _read(self, top: int, bottom: int) -> Tensor:
        return self._tokens[top:bottom].flatten(0, 1)[None]

    def _write(self, top: int, bottom: int, x: Tensor) -> None:
        self._tokens[top:bottom] = x.view(bottom - top, self._width, -1)

    def embed(self) -> Tensor:
        """Make the tokens; return what the first block's attention needs to know of them."""
        total: Tensor | None = None
        top = 0
        for features in self._lr_features():
            bottom = top + features.shape[2]
            x = self._transformer.embed(self._z_t[:, :, self._top + top : self._top + bottom], features)
            self._write(top, bottom, x)
            total = _plus(total, self._blocks[0].summarize(x, self._condition))
            top = bottom
        assert total is not None, "a band has at least one row"
        return total

    def _lr_features(self) -> Iterator[Tensor]:
        """Yield the LR features of this band, about a strip at a time."""
        low, high = max(0, self._top - _LR_HALO), min(self._height, self._bottom + _LR_HALO)
        stream, row = self._transformer.lr_encoder.stream(), low
        for top in range(low, high, self._rows):
            bottom = min(high, top + self._rows)
            lr = self._read_lr(top * LR_STRIDE, bottom * LR_STRIDE).to(self._z_t.dtype)
            pushed = stream.push(lr, last=bottom == high)
            if pushed is None:
                continue
            features = evaluated(pushed)
            inside = features[:, :, max(0, self._top - row) : max(0, self._bottom - row)]
            row += features.shape[2]
            if inside.shape[2]:
                yield inside

    def run_block(self, index: int, summary: Tensor) -> Tensor:
        """Apply one block to all tokens; return the next block's summary (after the last one, this block's)."""
        block, is_last = self._blocks[index], index == len(self._blocks) - 1
        total: Tensor | None = None
        feed_forward = self._feed_forward(block, summary)
        done = 0
        for top, bottom in self._strips():
            x = block.attend(self._read(top, bottom), self._condition, summary)
            out = feed_forward.push(x, last=bottom == self._bottom - self._top)
            if out is None:
                continue
            ready = done + out.shape[1] // self._width
            if is_last:
                self._write_velocity(done, ready, out)
            else:
                self._write(done, ready, out)
                total = _plus(total, self._blocks[index + 1].summarize(out, self._condition))
            done = ready
        return summary if total is None else total

    def _feed_forward(self, block: LinearBlock, summary: Tensor) -> _FeedForwardRows:
        """The block's feed-forward, told the rows that lie above and below this band."""
        stream = _FeedForwardRows(block, self._condition, self._width)
        height = self._bottom - self._top
        if not isinstance(self._peers, Alone):
            first, last = (block.attend(self._read(a, a + 1), self._condition, summary) for a in (0, height - 1))
            stream.surround(*self._peers.borders(stream.widen(first), stream.widen(last)))
        return stream

    def _write_velocity(self, top: int, bottom: int, x: Tensor) -> None:
        v = self._transformer.head(x, self._condition)
        self.velocity[:, :, top:bottom] = v.transpose(1, 2).view(1, -1, bottom - top, self._width)


class _FeedForwardRows:
    """x + gate * MixFFN(modulated x) as a stream of token rows, (1, N, D) -> (1, N, D), one row behind."""

    def __init__(self, block: LinearBlock, condition: Condition, width: int) -> None:
        self._shift, self._scale, self._gate = block.modulations(condition)[3:]
        self._block, self._width = block, width
        self._waiting, self._conv = RowQueue(), ConvRows(block.ffn.depthwise)

    def surround(self, above: Tensor | None, below: Tensor | None) -> None:
        """Continue the convolution into rows of the neighbours, as :meth:`widen` makes them."""
        self._conv = ConvRows(self._block.ffn.depthwise, above, below)

    def widen(self, x: Tensor) -> Tensor:
        """Input of the depth-wise convolution, (1, C, rows, W)."""
        return self._block.ffn.widen(self._modulated(x), (x.shape[1] // self._width, self._width))

    def _modulated(self, x: Tensor) -> Tensor:
        return modulate(self._block.norm2(x), self._shift, self._scale)

    def push(self, x: Tensor, *, last: bool) -> Tensor | None:
        self._waiting.put(x.view(1, -1, self._width, x.shape[2]).permute(0, 3, 1, 2))
        height = x.shape[1] // self._width
        rows, room = self._conv.make_room(height, self._width, last=last)
        self._block.ffn.widen(self._modulated(x), (height, self._width), out=room)
        hidden = self._conv.finish(rows, last=last)
        if hidden is None:
            return None
        before = self._waiting.take(hidden.shape[2]).permute(0, 2, 3, 1).flatten(1, 2)
        return torch.addcmul(before, self._gate, self._block.ffn.contract(hidden))


def _plus(total: Tensor | None, part: Tensor) -> Tensor:
    return part if total is None else total + part
