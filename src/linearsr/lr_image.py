"""The LR image as the networks read it: rows on their device, padded to the latent grid, as they are or without noise.

How much of the noise goes is decided once for the whole image, so that every strip of it is treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from linearsr.imaging.picture import Samples
from linearsr.memory import AUTO_TILE
from linearsr.models.autoencoder import LR_STRIDE
from linearsr.models.denoiser import STRIDE, Denoiser
from linearsr.models.denoising import denoised_rows
from linearsr.models.judging import automatic_share, noise_strength
from linearsr.models.large import roomy_empty

WINDOW = 64
"""Side of the squares that an image's noise is judged by, in LR pixels."""
WINDOWS_ACROSS = 5
"""Most of them along a side of the image."""
_LARGEST = 32767


class LRImage:
    """The LR image as the networks read it: rows of floats on their device, padded to the latent grid."""

    def __init__(self, samples: Samples | NDArray[np.float32], device: torch.device) -> None:
        """``samples`` is (H, W, 1) or (H, W, 3): 8 or 16 bits, or float32 in [0, 1]."""
        self._samples, self.device = samples, device
        self.height, self.width = samples.shape[:2]
        self.grid = -(-self.height // LR_STRIDE), -(-self.width // LR_STRIDE)

    def read(self, top: int, bottom: int) -> Tensor:
        """Rows of the padded image, (1, 3, bottom - top, 8 W) float32 in [-1, 1]; the last ones repeat the edge."""
        rows = self._samples[min(top, self.height - 1) : bottom]
        lr = torch.from_numpy(rows.astype(np.float32)).to(self.device)
        # In place and by all threads: a strip is read several times.
        if rows.dtype != np.float32:
            lr.div_(np.iinfo(rows.dtype).max)
        lr = lr.mul_(2).sub_(1).permute(2, 0, 1)[None].expand(1, 3, -1, -1)
        right, below = self.grid[1] * LR_STRIDE - self.width, bottom - top - lr.shape[2]
        padded = F.pad(lr, (0, right, 0, below), mode="replicate") if right or below else lr
        return padded.contiguous(memory_format=torch.channels_last)


class DenoisedImage:
    """An LR image less a share of its noise. Rows are made when they are first read, and kept."""

    def __init__(self, image: LRImage, denoiser: Denoiser, strength: float, share: float) -> None:
        """``strength`` is that of the noise, in 8-bit levels, and ``share`` how much of it goes."""
        self.height, self.width, self.grid = image.height, image.width, image.grid
        self._image, self._denoiser, self.strength, self.share = image, denoiser, strength, share
        self._shape = self.grid[0] * LR_STRIDE, self.grid[1] * LR_STRIDE, 3
        like = torch.empty(0, dtype=torch.int16, device=image.device)
        self._pixels = roomy_empty(self._shape, like)  # 16 bits: in what is smooth now, the steps of 8 would show
        self._made = range(0)
        self._below: Iterator[Tensor] | None = None

    def read(self, top: int, bottom: int) -> Tensor:
        """Rows as :meth:`LRImage.read` returns them."""
        first = top // STRIDE * STRIDE
        if not self._made:
            self._made = range(first, first)
        if first < self._made.start:  # only where several processes share the image: each begins with its own band
            self._make_above(first)
        while self._made.stop < bottom:
            self._make_below()
        return self._pixels[top:bottom].permute(2, 0, 1)[None].float().div_(_LARGEST)

    def _make_above(self, first: int) -> None:
        row, rows = first, self._rows_from(first)
        while row < self._made.start:
            row = self._keep(row, next(rows))
        self._made = range(first, self._made.stop)

    def _make_below(self) -> None:
        stop = self._made.stop
        rows, self._below = self._below or self._rows_from(stop), None
        made = next(rows)  # where memory runs out here, the next try begins anew
        self._below = rows
        self._made = range(self._made.start, self._keep(stop, made))

    def _rows_from(self, start: int) -> Iterator[Tensor]:
        height, width, _ = self._shape
        return denoised_rows(
            self._denoiser,
            self._image.read,
            self._denoiser.sign * self.strength,
            height=height,
            rows=max(1, AUTO_TILE**2 // width // STRIDE) * STRIDE,
            start=start,
            share=self.share,
        )

    def _keep(self, row: int, pixels: Tensor) -> int:
        """Keep rows from ``row`` on; return the row after the last."""
        stop = row + pixels.shape[2]
        self._pixels[row:stop] = (pixels[0].permute(1, 2, 0).clamp(-1, 1) * _LARGEST).round()
        return stop


def denoised(
    image: LRImage, denoiser: Denoiser | None, share: float, strength: float | None = None
) -> LRImage | DenoisedImage:
    """Return the image less a ``share`` of its noise, from 0 to 1, whose ``strength`` is measured if it is not given.

    An image of which nothing is to be taken out is returned as it is, as is every one where there is no ``denoiser``.
    """
    if denoiser is None or share == 0:
        return image
    if strength is None:
        strength = noise_strength(squares(image), denoiser)
    return DenoisedImage(image, denoiser, strength, share)


def fitting_share(image: LRImage, denoiser: Denoiser | None) -> tuple[float, float | None]:
    """Return how much of the image's noise or JPEG blocks is best taken out, from 0 to 1, and how strong they are.

    The strength is in 8-bit levels, and None where it was not measured, since there is nothing.
    """
    return (0.0, None) if denoiser is None else automatic_share(squares(image), denoiser)


def squares(image: LRImage) -> Tensor:
    """Return squares from all over the image, (N, 3, h, w) float32; smaller than ``WINDOW`` if the image is."""
    tops, lefts = (_starts(cells * LR_STRIDE) for cells in image.grid)
    rows = [image.read(top, min(top + WINDOW, image.grid[0] * LR_STRIDE)) for top in tops]
    windows = [strip[..., left : left + WINDOW] for strip in rows for left in lefts]
    return torch.cat(windows)


def _starts(length: int) -> list[int]:
    """Where windows begin along a side: side by side if there is room for few of them, evenly spread otherwise."""
    count = min(WINDOWS_ACROSS, max(1, length // WINDOW))
    spare = max(0, length - WINDOW)
    return [round(spare * (index / max(1, count - 1)) / STRIDE) * STRIDE for index in range(count)]
