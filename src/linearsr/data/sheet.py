"""A contact sheet of degradations: the HR photo beside what several seeds make of it, one row a preset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from linearsr.data.degradations import degrade
from linearsr.data.presets import Degradation
from linearsr.errors import InputError
from linearsr.imaging.picture import Picture

GAP = 6
CAPTION = 14
BAND = 22
"""Height of the line above each picture."""


def contact_sheet(
    pixels: NDArray[np.uint8], presets: Sequence[Degradation], seeds: Sequence[int], *, side: int
) -> Picture:
    """Return the middle ``side`` x ``side`` of a photo, and its degraded versions enlarged to the same size.

    LR pixels are shown as squares, so that what the model is given can be seen.

    Raises:
        InputError: if the photo is smaller than ``side``, or ``side`` is no multiple of the presets' scale.
    """
    hr = _middle(pixels, side)
    if any(side % preset.scale for preset in presets):
        raise InputError(f"a side of {side} is no multiple of the scale", remedy="choose a multiple of 4")
    images = torch.from_numpy(hr).permute(2, 0, 1)[None].float().expand(len(seeds), -1, -1, -1) / 255
    cell = (side + GAP, side + BAND + GAP)
    size = (cell[0] * (len(seeds) + 1) - GAP, cell[1] * len(presets) - GAP)
    sheet = PIL.Image.new("RGB", size, "white")
    for row, preset in enumerate(presets):
        results = (degrade(images, preset, seeds) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        captions = ("HR", *(f"{preset.name}, seed {seed}" for seed in seeds))
        for column, (picture, caption) in enumerate(zip((hr, *results), captions, strict=True)):
            left, top = column * cell[0], row * cell[1]
            shown = PIL.Image.fromarray(picture).resize((side, side), PIL.Image.Resampling.NEAREST)
            sheet.paste(shown, (left, top + BAND))
            font = ImageFont.load_default(CAPTION)
            ImageDraw.Draw(sheet).text((left + 2, top + 2), caption, fill="black", font=font)
    return Picture(color=np.asarray(sheet))


def _middle(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise InputError(
            f"the photo is {width}x{height}, smaller than the {side} pixels to show", remedy="lower --side"
        )
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])
