"""One photo on its way into a shard: decode, reduce, crop where there is texture, encode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearsr.data.duplicates import Fingerprint, fingerprint
from linearsr.errors import ConfigError, LinearSRError
from linearsr.imaging.codec import decode_rgb8
from linearsr.imaging.encoder import encode
from linearsr.imaging.formats import output_format
from linearsr.imaging.picture import Picture
from linearsr.imaging.resize import resize

FORMAT = output_format("webp")
_LUMA = (0.299, 0.587, 0.114)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What becomes of a photo: it is reduced, then it must have ``min_side``, then it is cropped and encoded.

    ``crop`` is the side of square crops, of which a photo gives its ``crops`` most textured; 0 keeps it whole.
    """

    min_side: int = 256
    crop: int = 0
    crops: int = 1
    reduce: float = 1.0
    quality: int = 95

    def __post_init__(self) -> None:
        if self.min_side < 1 or self.crop < 0 or self.crops < 1:
            raise ConfigError(
                f"min_side {self.min_side}, crop {self.crop} and crops {self.crops} must be positive",
                remedy="a crop of 0 keeps photos whole",
            )
        if not 0 < self.reduce <= 1:
            raise ConfigError(
                f"the reduction must be above 0 and at most 1, not {self.reduce:g}", remedy="1 keeps the size"
            )


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A crop as it goes into a shard: its WebP file, its shorter side and its texture score."""

    payload: bytes
    side: int
    texture: float


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A photo's crops, and what its original's pixels are recognised by. No crops: it is too small."""

    fingerprint: Fingerprint
    crops: tuple[Crop, ...]


def prepare(path: Path, options: BuildOptions) -> Prepared | LinearSRError:
    """Return the crops of a photo, or why it cannot be read: an error is a result here, for it concerns one photo."""
    try:
        pixels = decode_rgb8(path)
        mark = fingerprint(pixels)
        if options.reduce < 1:
            height, width = (max(1, round(side * options.reduce)) for side in pixels.shape[:2])
            pixels = resize(pixels, width, height)
        if min(pixels.shape[:2]) < max(options.min_side, options.crop):
            return Prepared(fingerprint=mark, crops=())
        crops = tuple(_packed(part, options.quality) for part in _parts(pixels, options))
    except LinearSRError as error:
        return error
    return Prepared(fingerprint=mark, crops=crops)


def texture_score(pixels: Pixels) -> float:
    """Mean absolute gradient of the luma: horizontal plus vertical steps between neighbours, in 8-bit levels."""
    luma = pixels.astype(np.float32) @ np.asarray(_LUMA, np.float32)
    return float(sum(np.abs(np.diff(luma, axis=axis)).mean() for axis in (0, 1) if luma.shape[axis] > 1))


def content_hash(payload: bytes) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    return hashlib.sha256(payload).hexdigest()


def _parts(pixels: Pixels, options: BuildOptions) -> list[Pixels]:
    """The most textured squares of a centred grid, best first; equals keep their order."""
    side = options.crop
    if side == 0:
        return [pixels]
    (rows, top), (columns, left) = ((length // side, length % side // 2) for length in pixels.shape[:2])
    places = [(top + row * side, left + column * side) for row in range(rows) for column in range(columns)]
    squares = [pixels[y : y + side, x : x + side] for y, x in places]
    return sorted(squares, key=texture_score, reverse=True)[: options.crops]


def _packed(pixels: Pixels, quality: int) -> Crop:
    payload = encode(Picture(color=np.ascontiguousarray(pixels)), FORMAT, quality=quality)
    return Crop(payload=payload, side=min(pixels.shape[:2]), texture=texture_score(pixels))
