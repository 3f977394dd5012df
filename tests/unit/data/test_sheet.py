from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import photo

from linearsr.data.degradations import degrade
from linearsr.data.presets import camera, light
from linearsr.data.sheet import BAND, GAP, contact_sheet
from linearsr.errors import InputError


def test_the_sheet_shows_the_photo_and_every_seed_of_every_preset():
    pixels = photo(80, 100)
    sheet = contact_sheet(pixels, [camera(), light()], [5, 6, 7], side=64).color
    assert sheet.shape == (2 * (64 + BAND) + GAP, 4 * 64 + 3 * GAP, 3)
    middle = pixels[8:72, 18:82]
    lower = BAND + 64 + GAP + BAND
    assert np.array_equal(sheet[BAND : BAND + 64, :64], middle)
    assert np.array_equal(sheet[lower : lower + 64, :64], middle)
    hr = torch.from_numpy(middle.copy()).permute(2, 0, 1)[None].float() / 255
    lr = (degrade(hr, light(), [6])[0] * 255).round().byte().permute(1, 2, 0).numpy()
    shown = sheet[lower : lower + 64, 2 * (64 + GAP) :][:, :64]
    assert np.array_equal(shown, lr.repeat(4, 0).repeat(4, 1))
    assert sheet[:BAND, : 64 + GAP].min() < 100  # a caption


@pytest.mark.parametrize(
    ("side", "message"), [(128, "the photo is 100x80, smaller than the 128 pixels"), (30, "no multiple of the scale")]
)
def test_impossible_sides_are_refused(side, message):
    with pytest.raises(InputError, match=message):
        contact_sheet(photo(80, 100), [camera()], [0], side=side)
