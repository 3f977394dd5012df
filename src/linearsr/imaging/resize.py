"""Lanczos resizing of 8- and 16-bit samples, whole or in rows that arrive from top to bottom.

Pillow does it, in float32: libvips enlarges with a bicubic filter and half a pixel off centre.
"""

from __future__ import annotations

import math

import numpy as np
import PIL.Image

from linearsr.imaging.picture import Picture, Samples, redepth

_LANCZOS_REACH = 3
_ALPHA_ROWS = 64


def resize(samples: Samples, width: int, height: int) -> Samples:
    """Resize (H, W, C) or (H, W) samples, clipping instead of wrapping at black and white."""
    if samples.shape[:2] == (height, width):
        return samples
    planes = samples.reshape(*samples.shape[:2], -1)
    box = (0.0, 0.0, float(planes.shape[1]), float(planes.shape[0]))
    return _resize_box(planes, width, height, box).reshape(height, width, *samples.shape[2:])


class RowResizer:
    """Resizes an image of ``source`` (width, height) to ``target``, fed with its rows in order."""

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        (self._width_in, self._height_in), (self._width, self._height) = source, target
        self._ratio = self._height_in / self._height
        # One row more than the filter needs: Pillow rounds the box to float32.
        self._reach = math.ceil(_LANCZOS_REACH * max(1.0, self._ratio)) + 1
        self._window: Samples | None = None
        self._window_top = self._done = 0

    def push(self, rows: Samples) -> Samples:
        """Take the next (n, W, C) rows and return those of the result that are complete by now, maybe none."""
        if (self._width_in, self._height_in) == (self._width, self._height):
            return rows
        self._window = rows if self._window is None else np.concatenate((self._window, rows))
        there = self._window_top + len(self._window)
        ready = self._height if there == self._height_in else int(max(0, there - self._reach) / self._ratio)
        if ready <= self._done:
            return np.empty((0, self._width, rows.shape[2]), rows.dtype)
        low, high = self._done * self._ratio - self._window_top, ready * self._ratio - self._window_top
        box = (0.0, max(0.0, low), float(self._width_in), min(high, float(len(self._window))))
        resized = _resize_box(self._window, self._width, ready - self._done, box)
        self._done = ready
        self._forget(int(ready * self._ratio) - self._reach)
        return resized

    def _forget(self, row: int) -> None:
        assert self._window is not None, "rows have come"
        drop = min(max(0, row - self._window_top), len(self._window))
        self._window, self._window_top = self._window[drop:].copy(), self._window_top + drop


class AlphaRows:
    """The alpha of a picture, resized and in another depth, a few rows at a time."""

    def __init__(self, picture: Picture, depth: int, size: tuple[int, int]) -> None:
        assert picture.alpha is not None, "only a picture with alpha has alpha rows"
        self._alpha, self._depth = picture.alpha[..., None], depth
        self._resizer = RowResizer((picture.width, picture.height), size)
        self._read = 0
        self._ready = np.empty((0, size[0], 1), picture.alpha.dtype)

    def take(self, count: int) -> Samples:
        """Return the next ``count`` rows, (count, W, 1)."""
        while len(self._ready) < count:
            rows = self._alpha[self._read : self._read + _ALPHA_ROWS]
            self._read += len(rows)
            self._ready = np.concatenate((self._ready, self._resizer.push(rows)))
        taken, self._ready = self._ready[:count], self._ready[count:]
        return redepth(taken, self._depth)


def _resize_box(planes: Samples, width: int, height: int, box: tuple[float, float, float, float]) -> Samples:
    """Resize the part ``box`` (left, top, right, bottom) of (H, W, C) samples; the filter may look outside of it."""
    resized = np.empty((height, width, planes.shape[2]), planes.dtype)
    for channel in range(planes.shape[2]):
        plane = PIL.Image.fromarray(planes[..., channel].astype(np.float32))
        values = np.asarray(plane.resize((width, height), PIL.Image.Resampling.LANCZOS, box))
        resized[..., channel] = np.clip(np.round(values), 0, np.iinfo(planes.dtype).max)
    return resized
