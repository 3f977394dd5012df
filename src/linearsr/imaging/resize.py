"""Lanczos resizing of 8- and 16-bit samples."""

from __future__ import annotations

import numpy as np
import PIL.Image

from linearsr.imaging.picture import Samples


def resize(samples: Samples, width: int, height: int) -> Samples:
    """Resize (H, W, C) or (H, W) samples with a Lanczos filter, clipping instead of wrapping at black and white.

    Pillow does it, in float32: libvips enlarges with a bicubic filter and half a pixel off centre.
    """
    if samples.shape[:2] == (height, width):
        return samples
    planes = samples.reshape(*samples.shape[:2], -1)
    resized = np.empty((height, width, planes.shape[2]), samples.dtype)
    for channel in range(planes.shape[2]):
        plane = PIL.Image.fromarray(planes[..., channel].astype(np.float32))
        values = np.asarray(plane.resize((width, height), PIL.Image.Resampling.LANCZOS))
        resized[..., channel] = np.clip(np.round(values), 0, np.iinfo(samples.dtype).max)
    return resized.reshape(height, width, *samples.shape[2:])
