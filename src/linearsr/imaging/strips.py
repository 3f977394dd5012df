"""A picture that arrives from top to bottom, so that results larger than memory can be written as they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from linearsr.imaging.picture import Metadata, Picture, Samples

STRIP_ROWS = 256
"""Rows of a strip where a picture in memory is cut into strips."""


@dataclass(frozen=True, kw_only=True)
class Strips:
    """Rows of samples and what they belong to.

    ``rows`` yields (n, width, channels) arrays of ``depth`` bits whose n add up to ``height``, once; channels are grey
    or RGB, then alpha if ``has_alpha``.
    """

    width: int
    height: int
    depth: int
    is_gray: bool
    has_alpha: bool
    metadata: Metadata
    source_format: str
    rows: Iterator[Samples]

    @property
    def channels(self) -> int:
        """Samples per pixel."""
        return (1 if self.is_gray else 3) + self.has_alpha

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of samples."""
        return self.width * self.channels * self.depth // 8

    def map(self, function: Callable[[Samples], Samples], **changes: object) -> Strips:
        """Return strips whose rows are made by ``function``, with ``changes`` of the other fields."""
        return replace(self, rows=map(function, self.rows), **changes)  # type: ignore[arg-type]

    def gather(self) -> Picture:
        """Read all rows into a picture."""
        samples = np.empty((self.height, self.width, self.channels), np.uint8 if self.depth == 8 else np.uint16)
        top = 0
        for rows in self.rows:
            samples[top : top + len(rows)] = rows
            top += len(rows)
        assert top == self.height, "strips add up to the picture"
        color = samples.shape[2] - self.has_alpha
        return Picture(
            color=np.ascontiguousarray(samples[..., :color]),
            alpha=np.ascontiguousarray(samples[..., color]) if self.has_alpha else None,
            metadata=self.metadata,
            source_format=self.source_format,
        )


def cut(picture: Picture) -> Strips:
    """A picture in memory as strips."""
    samples = picture.color if picture.alpha is None else np.dstack((picture.color, picture.alpha))
    return Strips(
        width=picture.width,
        height=picture.height,
        depth=picture.depth,
        is_gray=picture.is_gray,
        has_alpha=picture.alpha is not None,
        metadata=picture.metadata,
        source_format=picture.source_format,
        rows=(samples[top : top + STRIP_ROWS] for top in range(0, picture.height, STRIP_ROWS)),
    )
