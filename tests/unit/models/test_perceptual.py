from __future__ import annotations

import pytest
import torch
from small_models import alexnet_weights, dists_heads, photo, seeded, vgg_weights

from linearsr.models.discriminator import PatchDiscriminator
from linearsr.models.perceptual import DISTS, LPIPS, LPIPSOnVGG


@pytest.fixture(scope="module", params=["lpips", "lpips_vgg", "dists"])
def distance(request):
    build = {
        "lpips": lambda: LPIPS(alexnet_weights()),
        "lpips_vgg": lambda: LPIPSOnVGG(vgg_weights()),
        "dists": lambda: DISTS(vgg_weights(), dists_heads()),
    }
    return seeded(0, build[request.param])


@pytest.fixture(scope="module")
def image():
    return torch.from_numpy(photo(48, 64)).permute(2, 0, 1)[None].float() / 255


def test_an_image_is_at_distance_zero_from_itself(distance, image):
    assert distance(image, image).abs().max() <= 1e-5


def test_distance_grows_with_noise_and_is_given_per_image(distance, image):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    noisy = torch.cat([(image + level * noise).clamp(0, 1) for level in (0.02, 0.1, 0.3)])
    near, middle, far = distance(noisy, image.expand(3, -1, -1, -1)).tolist()
    assert 0 < near < middle < far


def test_gradient_is_finite_at_identical_and_at_flat_images(distance, image):
    for picture in (image, torch.zeros_like(image)):
        moving = picture.clone().requires_grad_()
        distance(moving, picture).sum().backward()
        assert torch.isfinite(moving.grad).all()


def test_trunk_has_nothing_to_train(distance):
    assert list(distance.parameters()) == []


def test_discriminator_scores_every_patch_and_trains():
    critic = seeded(0, lambda: PatchDiscriminator(8))
    scores = critic(torch.rand(2, 3, 48, 64) * 2 - 1)
    assert scores.shape == (2, 1, 6, 8)
    scores.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in critic.parameters())
