from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small_models import randn, small_autoencoder


def pair(height, width, batch=1):
    """A random latent and LR image for a latent grid of this size."""
    return randn(batch, 4, height, width), randn(batch, 3, 8 * height, 8 * width, seed=1).tanh()


@pytest.mark.parametrize("grid", [(1, 1), (1, 3), (3, 2)])
def test_shapes_of_latent_and_image(grid):
    latent, lr = pair(*grid, batch=2)
    image = small_autoencoder().decode(latent, lr)
    assert image.shape == (2, 3, 32 * grid[0], 32 * grid[1])
    assert small_autoencoder().encode(image).shape == latent.shape


def test_every_latent_cell_has_unit_root_mean_square():
    latent = small_autoencoder().encode(randn(1, 3, 64, 96))
    torch.testing.assert_close(latent.square().mean(1).sqrt(), torch.ones(1, 2, 3), rtol=1e-3, atol=1e-3)


def test_without_detail_the_decoder_is_a_bicubic_enlargement():
    model, (latent, lr) = small_autoencoder(), pair(2, 3)
    torch.nn.init.zeros_(model.decoder.tail[-1].weight)
    torch.nn.init.zeros_(model.decoder.tail[-1].bias)
    assert torch.equal(model.decode(latent, lr), F.interpolate(lr, scale_factor=4, mode="bicubic"))


def test_detail_depends_on_latent_and_on_lr():
    model, (latent, lr) = small_autoencoder(), pair(2, 2)

    def detail(latent, lr):
        return model.decode(latent, lr) - F.interpolate(lr, scale_factor=4, mode="bicubic")

    assert (detail(latent, lr) - detail(latent + 1, lr)).abs().max() > 1e-4
    assert (detail(latent, lr) - detail(latent, -lr)).abs().max() > 1e-4


def test_picture_under_the_detail_stays_float32_in_bfloat16():
    model, (latent, lr) = small_autoencoder().bfloat16(), pair(1, 2)
    torch.nn.init.zeros_(model.decoder.tail[-1].weight)
    torch.nn.init.zeros_(model.decoder.tail[-1].bias)
    image = model.decode(latent, lr)
    assert image.dtype == torch.float32
    assert torch.equal(image, F.interpolate(lr, scale_factor=4, mode="bicubic"))


def test_every_parameter_gets_a_gradient():
    model, (_, lr) = small_autoencoder(), pair(1, 2)
    model.decode(model.encode(randn(1, 3, 32, 64, seed=2)), lr).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0] == []
