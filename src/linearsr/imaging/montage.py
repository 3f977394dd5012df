"""Pictures of the same scene side by side, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from linearsr.imaging.codec import decode
from linearsr.imaging.convert import to_pil
from linearsr.imaging.picture import Picture

GAP = 8
CAPTION_SHARE = 0.04
SMALLEST_CAPTION = 16
Region = tuple[float, float, float, float]
"""Left, top, width and height as fractions of the picture."""


def side_by_side(paths: Sequence[Path], captions: Sequence[str], *, crop: Region | None = None) -> Picture:
    """Return the pictures in one row, each enlarged (bicubic) to the size of the largest, captions above them."""
    images = [_cut(to_pil(decode(path)).convert("RGB"), crop) for path in paths]
    size = max((image.size for image in images), key=lambda size: size[0] * size[1])
    band = max(SMALLEST_CAPTION, round(size[1] * CAPTION_SHARE))
    sheet = PIL.Image.new("RGB", (len(images) * (size[0] + GAP) - GAP, size[1] + 2 * band), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = index * (size[0] + GAP)
        sheet.paste(image.resize(size, PIL.Image.Resampling.BICUBIC), (left, 2 * band))
        draw.text((left, band // 3), caption, fill="black", font=ImageFont.load_default(band))
    return Picture(color=np.asarray(sheet))


def _cut(image: PIL.Image.Image, crop: Region | None) -> PIL.Image.Image:
    if crop is None:
        return image
    x, y, width, height = crop
    left, top = round(x * image.width), round(y * image.height)
    right, bottom = round((x + width) * image.width), round((y + height) * image.height)
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
