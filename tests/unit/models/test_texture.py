import math

import pytest
import torch
import torch.nn.functional as F
from small_models import photo, randn

from linearsr.models.texture import EPS, TEXTURE_CHANNELS, texture_energy


def picture(height=64, width=96, seed=0):
    return torch.from_numpy(photo(height, width, seed)).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_one_value_for_every_octave_direction_and_quarter_of_a_latent_cell():
    assert texture_energy(picture(64, 96)).shape == (1, TEXTURE_CHANNELS, 2, 3)


def test_a_flat_picture_has_the_least_energy():
    energy = texture_energy(torch.full((1, 3, 32, 32), 0.4))
    torch.testing.assert_close(energy, torch.full_like(energy, math.log(EPS)))


@pytest.mark.parametrize(("axis", "direction"), [(-1, 0), (-2, 1)])
def test_stripes_have_energy_across_and_none_along(axis, direction):
    wave = 0.5 * torch.cos(math.pi * torch.arange(32.0))
    image = wave.expand(1, 3, 32, 32) if axis == -1 else wave[:, None].expand(1, 3, 32, 32)
    fine = F.pixel_shuffle(texture_energy(image), 2)[:, :2]
    assert fine[:, direction].min() > -1
    assert fine[:, 1 - direction].max() < math.log(EPS) + 0.01


def test_doubling_the_contrast_adds_ln_4_where_there_is_texture():
    image = randn(1, 3, 64, 64) / 4
    gain = texture_energy(2 * image) - texture_energy(image)
    torch.testing.assert_close(gain, torch.full_like(gain, math.log(4)), rtol=0, atol=0.02)


def test_reducing_and_enlarging_takes_energy_away():
    sharp = picture(seed=3)
    blurred = F.interpolate(F.avg_pool2d(sharp, 4), scale_factor=4, mode="bicubic")
    assert (texture_energy(blurred) < texture_energy(sharp)).float().mean() > 0.95


def test_gradients_are_finite_on_flat_and_on_noisy_pictures():
    for image in (torch.zeros(1, 3, 32, 32), randn(1, 3, 32, 32)):
        image.requires_grad_()
        texture_energy(image).sum().backward()
        assert torch.isfinite(image.grad).all()
