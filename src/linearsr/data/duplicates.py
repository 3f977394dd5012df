"""Photos that are there twice: the same pixels, or the same picture in another size or coding.

The near test compares 256 bits a photo: whether each cell of a 16 x 17 reduction is darker than its neighbour. Pictures
of one original differ in a few bits, different photos in about half. Pictures with next to no texture are never near.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

NEAR_BITS = 16
"""Most differing bits of near duplicates."""
FLAT = 2.0
"""Mean step between cells, in 8-bit levels, below which the bits are chance."""
_BITS_SET = np.array([number.bit_count() for number in range(256)], np.uint8)


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """``content`` is the SHA-256 of size and pixels; ``bits`` is (32,) uint8, or None for a flat picture."""

    content: str
    bits: NDArray[np.uint8] | None


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint:
    """Describe (H, W, 3) pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    small = PIL.Image.fromarray(pixels).convert("L").resize((17, 16), PIL.Image.Resampling.BOX)
    steps = np.diff(np.asarray(small, np.int16), axis=1)
    bits = None if np.abs(steps).mean() < FLAT else np.packbits(steps > 0)
    return Fingerprint(content=digest, bits=bits)


class Duplicates:
    """Remembers the photos it has been asked about."""

    def __init__(self) -> None:
        self._contents: set[str] = set()
        self._bits = np.empty((0, 32), np.uint8)
        self._count = 0

    def find(self, mark: Fingerprint) -> str | None:
        """Return "duplicate" or "near duplicate" if an earlier photo is like this one; else remember it."""
        if mark.content in self._contents:
            return "duplicate"
        if mark.bits is not None:
            apart = _BITS_SET[self._bits[: self._count] ^ mark.bits].sum(1, dtype=np.int64)
            if (apart <= NEAR_BITS).any():
                return "near duplicate"
            self._remember(mark.bits)
        self._contents.add(mark.content)
        return None

    def _remember(self, bits: NDArray[np.uint8]) -> None:
        if self._count == len(self._bits):
            self._bits = np.concatenate((self._bits, np.empty((max(1024, self._count), 32), np.uint8)))
        self._bits[self._count] = bits
        self._count += 1
