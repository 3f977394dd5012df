from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_models import AUTOENCODER, awake, randn, small_autoencoder

from linearsr.models.autoencoder import Autoencoder
from linearsr.models.texture import texture_energy


def pair(height, width, batch=1):
    """A random latent and LR image for a latent grid of this size."""
    return randn(batch, 4, height, width), randn(batch, 3, 8 * height, 8 * width, seed=1).tanh()


@pytest.mark.parametrize("grid", [(1, 1), (1, 3), (3, 2)])
def test_shapes_of_latent_and_image(grid):
    latent, lr = pair(*grid, batch=2)
    image = small_autoencoder().decode(latent, lr)
    assert image.shape == (2, 3, 32 * grid[0], 32 * grid[1])
    assert small_autoencoder().encode(image).shape == latent.shape


def moments(latent):
    return latent.mean((0, 2, 3)), latent.var((0, 2, 3), correction=0)


def test_latent_channels_are_standardised_by_the_batch_in_training_and_by_running_averages_in_use():
    contrast = torch.tensor([0.02, 0.1, 0.3, 1.0]).view(4, 1, 1, 1)
    model, images = small_autoencoder().train(), contrast * randn(4, 3, 96, 96)
    for latent in (*(model.encode(images) for _ in range(200)), model.eval().encode(images)):
        mean, variance = moments(latent)
        torch.testing.assert_close(mean, torch.zeros(4), rtol=0, atol=0.1)
        torch.testing.assert_close(variance, torch.ones(4), rtol=0, atol=0.1)


def test_untrained_latents_are_texture_energies():
    model, images = small_autoencoder().eval(), randn(2, 3, 64, 32)
    expected = texture_energy(images)[:, : AUTOENCODER.latent_channels]
    torch.testing.assert_close(model.encode(images), expected, rtol=1e-4, atol=1e-4)


def test_more_channels_than_texture_start_at_zero():
    model = Autoencoder(replace(AUTOENCODER, latent_channels=40)).eval()
    latent = model.encode(randn(1, 3, 32, 32))
    assert latent.shape == (1, 40, 1, 1)
    assert not latent[:, 32:].any()


def test_in_use_the_latent_of_an_image_does_not_depend_on_its_company():
    model, images = small_autoencoder().eval(), randn(3, 3, 32, 64)
    torch.testing.assert_close(model.encode(images)[1:2], model.encode(images[1:2]), rtol=1e-4, atol=1e-5)


def test_without_detail_the_decoder_is_a_bicubic_enlargement():
    model, (latent, lr) = small_autoencoder(), pair(2, 3)
    torch.nn.init.zeros_(model.decoder.tail[-1].weight)
    torch.nn.init.zeros_(model.decoder.tail[-1].bias)
    expected = F.interpolate(lr, scale_factor=4, mode="bicubic")
    torch.testing.assert_close(model.decode(latent, lr), expected, rtol=0, atol=2e-6)


def test_detail_depends_on_latent_and_on_lr():
    model, (latent, lr) = small_autoencoder(), pair(2, 2)

    def detail(latent, lr):
        return model.decode(latent, lr) - F.interpolate(lr, scale_factor=4, mode="bicubic")

    assert (detail(latent, lr) - detail(latent + 1, lr)).abs().max() > 1e-4
    assert (detail(latent, lr) - detail(latent, -lr)).abs().max() > 1e-4


@pytest.mark.parametrize("level", range(4))
def test_lr_features_enter_at_every_resolution(level):
    model, (latent, lr) = small_autoencoder(), pair(2, 3)
    plain = model.decode(latent, lr)
    pyramid = model.decoder.pyramid.forward

    def disturbed(lr):
        features = pyramid(lr)
        features[level] = features[level] + 1
        return features

    model.decoder.pyramid.forward = disturbed
    assert [tuple(map_.shape[-2:]) for map_ in pyramid(lr)] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert (model.decode(latent, lr) - plain).abs().max() > 1e-4


def test_picture_under_the_detail_stays_float32_in_bfloat16():
    model, (latent, lr) = small_autoencoder().bfloat16(), pair(1, 2)
    torch.nn.init.zeros_(model.decoder.tail[-1].weight)
    torch.nn.init.zeros_(model.decoder.tail[-1].bias)
    image = model.decode(latent, lr)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image, F.interpolate(lr, scale_factor=4, mode="bicubic"), rtol=0, atol=2e-6)


def test_every_parameter_gets_a_gradient():
    model, (_, lr) = awake(small_autoencoder()), pair(1, 2)
    model.decode(model.encode(randn(1, 3, 32, 64, seed=2)), lr).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0] == []
