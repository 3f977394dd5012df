"""One HR photo for training, before and after it is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linearsr.errors import ImageError
from linearsr.imaging.codec import decode_rgb8

VALIDATION_PERCENT = 3


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One HR crop. ``pixels`` is (H, W, 3) uint8 RGB; ``validation`` tells the split."""

    key: str
    pixels: NDArray[np.uint8]
    validation: bool


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """A photo that is read when it is needed: what all readers return.

    ``read`` returns the bytes of its image file. ``texture`` is the mean absolute gradient, where it is known.
    """

    key: str
    validation: bool
    read: Callable[[], bytes]
    texture: float | None = None

    def decode(self) -> Photo:
        """Read and decode it.

        Raises:
            ImageError: naming the photo, if its pixels cannot be decoded.
        """
        try:
            pixels = decode_rgb8(self.read())
        except ImageError as error:
            raise ImageError(f"photo {self.key}: {error.args[0]}", remedy=error.remedy) from error
        return Photo(key=self.key, pixels=pixels, validation=self.validation)


def is_validation(original: str) -> bool:
    """Tell whether an original photo belongs to the fixed validation split (a hash of its name decides)."""
    digest = hashlib.sha256(original.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < VALIDATION_PERCENT
