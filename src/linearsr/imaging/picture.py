"""A decoded image: pixels, alpha and the metadata that must survive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearsr.request import MetadataMode

Samples = NDArray[Any]
"""Pixel values: uint8 or uint16."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What travels from input to output: raw ICC, EXIF and XMP blocks, and the resolution in pixels per millimetre."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] = (1.0, 1.0)

    def reduced(self, mode: MetadataMode) -> Metadata:
        """What is left of it when only the ICC profile, or nothing, is to be kept. The resolution always is."""
        if mode == "keep":
            return self
        return Metadata(icc=self.icc if mode == "icc-only" else None, resolution=self.resolution)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An upright image in memory.

    ``color`` is (H, W, 3) RGB or (H, W, 1) grey; ``alpha`` is (H, W) or None. Both hold 8-bit (uint8) or 16-bit
    (uint16) samples. ``source_format`` is the output format that matches the file it came from.
    """

    color: Samples
    alpha: Samples | None = None
    metadata: Metadata = field(default_factory=Metadata)
    source_format: str = "png"

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.color.shape[1])

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.color.shape[0])

    @property
    def depth(self) -> int:
        """Bits per sample: 8 or 16."""
        return self.color.dtype.itemsize * 8

    @property
    def is_gray(self) -> bool:
        """Whether there is one colour channel."""
        return int(self.color.shape[2]) == 1


def to_unit(samples: Samples) -> NDArray[np.float32]:
    """Samples -> float32 in [0, 1]."""
    return (samples / np.float32(np.iinfo(samples.dtype).max)).astype(np.float32)


def from_unit(values: NDArray[Any], depth: int) -> Samples:
    """Float in [0, 1] (clipped) -> 8- or 16-bit samples, rounded to nearest."""
    kind: type[np.uint8 | np.uint16] = np.uint8 if depth == 8 else np.uint16
    samples: Samples = np.round(np.clip(values, 0, 1) * np.iinfo(kind).max).astype(kind)
    return samples


def redepth(samples: Samples, depth: int) -> Samples:
    """Samples in 8 or 16 bits, whatever they were."""
    return samples if samples.dtype.itemsize * 8 == depth else from_unit(to_unit(samples), depth)
