"""From rows of the decoded image to the picture that was asked for: grey and depth as the source's, alpha, any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from linearsr.imaging.picture import Picture, Samples, from_unit
from linearsr.imaging.resize import AlphaRows, RowResizer
from linearsr.imaging.strips import Strips
from linearsr.models.autoencoder import SCALE
from linearsr.models.peers import Alone, Peers
from linearsr.request import UpscaleRequest

RowsCallback = Callable[[int, int], None]


def finish(
    decoded: Iterable[Tensor],
    picture: Picture,
    request: UpscaleRequest,
    *,
    on_rows: RowsCallback | None = None,
    peers: Peers | None = None,
) -> Strips:
    """Return strips of the result; nothing is computed before the first is asked for.

    Args:
        decoded: (1, 3, n, 4w) rows in [-1, 1], this process's share of the picture enlarged by 4.
        picture: what was enlarged.
        request: what is asked of it.
        on_rows: called as (rows done, rows in all) of the decoded image; what it raises ends the work.
        peers: the processes that share the work; the rows come out on rank 0, and none elsewhere.
    """
    width, height = request.output_size(picture.width, picture.height)
    native = picture.width * SCALE, picture.height * SCALE
    has_alpha = picture.alpha is not None and request.alpha == "keep"
    depth = picture.depth if request.depth == "auto" else int(request.depth)

    def native_rows() -> Iterator[Tensor]:
        for hr in decoded:
            samples = np.ascontiguousarray(_to_samples(hr, depth, is_gray=picture.is_gray))
            yield torch.from_numpy(samples.view(np.uint8))  # bytes: not every way between processes takes 16 bits

    def rows() -> Iterator[Samples]:
        resizer, done = RowResizer(native, (width, height)), 0
        alpha = AlphaRows(picture, depth, (width, height)) if has_alpha else None
        for part in (peers or Alone()).collect(native_rows()):
            done += len(part)
            if on_rows is not None:
                on_rows(done, native[1])
            samples = resizer.push(part.numpy().view(np.uint8 if depth == 8 else np.uint16))
            yield samples if alpha is None else np.dstack((samples, alpha.take(len(samples))))

    return Strips(
        width=width,
        height=height,
        depth=depth,
        is_gray=picture.is_gray,
        has_alpha=has_alpha,
        metadata=picture.metadata.reduced(request.metadata),
        source_format=picture.source_format,
        rows=rows(),
    )


def _to_samples(hr: Tensor, depth: int, *, is_gray: bool) -> Samples:
    """(1, 3, n, W) in [-1, 1] -> (n, W, 3) samples, or (n, W, 1) of the mean of the channels."""
    values = (hr[0].permute(1, 2, 0).cpu().numpy() + 1) / 2
    return from_unit(values.mean(-1, keepdims=True) if is_gray else values, depth)
