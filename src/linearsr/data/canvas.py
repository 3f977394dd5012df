"""Pictures of different sizes in one tensor, so that one call filters or codes them all.

Shapes: B pictures, C channels, (H, W) the side of the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from linearsr.data.kernels import TAPS


@dataclass(frozen=True)
class Canvas:
    """``pixels`` is (B, C, H, W); picture i fills the top left ``sizes[i]`` (height, width). The rest is never read."""

    pixels: Tensor
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, pictures: Sequence[Tensor]) -> Canvas:
        """Put (C, h, w) pictures on one canvas."""
        sizes = tuple((picture.shape[-2], picture.shape[-1]) for picture in pictures)
        if len(set(sizes)) == 1:
            return cls(torch.stack(list(pictures)), sizes)
        height, width = (max(sides) for sides in zip(*sizes, strict=True))
        pixels = pictures[0].new_zeros(len(pictures), pictures[0].shape[0], height, width)
        for canvas, picture in zip(pixels, pictures, strict=True):
            canvas[:, : picture.shape[-2], : picture.shape[-1]] = picture
        return cls(pixels, sizes)

    def pictures(self) -> list[Tensor]:
        """Views of the (C, h, w) pictures."""
        return [canvas[:, :height, :width] for canvas, (height, width) in zip(self.pixels, self.sizes, strict=True)]

    def reflected(self, margin: int) -> Tensor:
        """Return (B, C, H + 2 margin, W + 2 margin): every picture is mirrored at its own edges."""
        height, width = self.pixels.shape[-2:]
        heights, widths = torch.tensor(self.sizes).unbind(1)
        return self._gather(_mirror(heights, height, margin), _mirror(widths, width, margin))

    def repeated(self, multiple: int) -> Tensor:
        """Return the pixels extended to a ``multiple`` of pixels; every picture repeats its last row and column."""
        height, width = (-(-side // multiple) * multiple for side in self.pixels.shape[-2:])
        last = torch.tensor(self.sizes)[:, :, None] - 1
        return self._gather(torch.arange(height).minimum(last[:, 0]), torch.arange(width).minimum(last[:, 1]))

    def filtered(self, kernels: Tensor) -> Canvas:
        """Convolve picture i with kernel i of the symmetric (B, TAPS, TAPS) kernels; edges are mirrored.

        By Fourier transform: at this size of kernel it is faster than a direct convolution.
        """
        if bool((kernels[:, TAPS // 2, TAPS // 2] == 1).all()):  # kernels that change nothing
            return self
        height, width = self.pixels.shape[-2:]
        extended = self.reflected(TAPS // 2)
        sides = [_transform_side(side) for side in extended.shape[-2:]]
        spectrum = torch.fft.rfft2(extended, s=sides) * torch.fft.rfft2(kernels.to(extended)[:, None], s=sides)
        start = TAPS - 1
        return Canvas(
            torch.fft.irfft2(spectrum, s=sides)[..., start : start + height, start : start + width], self.sizes
        )

    def _gather(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Pick rows and columns of picture i by the indices rows[i] and columns[i]."""
        batch, channels, _, width = self.pixels.shape
        rows, columns = (index.to(self.pixels.device, non_blocking=True) for index in (rows, columns))
        picked = self.pixels.gather(2, rows[:, None, :, None].expand(batch, channels, -1, width))
        return picked.gather(3, columns[:, None, None, :].expand(batch, channels, rows.shape[1], -1))


def _mirror(sides: Tensor, length: int, margin: int) -> Tensor:
    """Indices -margin ... length + margin - 1 for each of (B,) sides, mirrored at 0 and side - 1, however often."""
    period = (2 * (sides - 1)).clamp(min=1)[:, None]
    folded = torch.arange(-margin, length + margin) % period
    return torch.minimum(folded, period - folded) % sides[:, None]


def _transform_side(side: int) -> int:
    """The next side that Fourier transforms handle well, of few different ones so that plans can be reused."""
    return -(-side // 32) * 32
