"""A small real photo, and what JPEG makes of it."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from training_photos import PICTURE


def photo(side=96):
    """A reduced photo: what the compression of the original left is gone."""
    with Image.open(PICTURE) as picture:
        return picture.convert("RGB").reduce(2).crop((20, 10, 20 + side, 10 + side))


def compressed(picture, quality):
    stream = io.BytesIO()
    picture.save(stream, "jpeg", quality=quality)
    return Image.open(stream).convert("RGB")


def tensor(picture):
    pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None]
    return pixels / 127.5 - 1
