"""The stage that trains the denoiser on the images made of what it leaves."""

from __future__ import annotations

import torch
from small_stages import small_stage, synthetic_pool

from linearsr.data.noise_mixes import denoising_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.training.denoiser_polish import AS_PHOTOS
from linearsr.training.objective import ImageLossWeights

L1 = ImageLossWeights(l1=1.0)
OPTIONS = {"seed": 0, "size": 2, "lr_side": 16}


def test_images_are_compared_with_the_photos_that_the_noisy_pictures_were_made_of(perceptual, monkeypatch):
    stage, compared = small_stage("polish-denoiser", synthetic_pool(), perceptual, L1), []
    monkeypatch.setattr(stage, "_loss", lambda output, target: compared.append((output, target)) or (output.mean(), {}))
    stage.loss(3)
    output, target = compared[0]
    assert torch.equal(target, synthetic_pool().batch(3, **OPTIONS)[1])
    assert output.shape == target.shape
    _, clean = NoisyPairs(synthetic_pool(), denoising_mix(), reductions=AS_PHOTOS).batch(3, **OPTIONS)
    reduced = torch.nn.functional.avg_pool2d(target, 4)
    assert (clean - reduced).abs().mean() < 0.2 * (clean - reduced.flip(0)).abs().mean()


def test_the_image_reaches_the_denoiser_through_a_decoder_that_stays_as_it_is(perceptual):
    stage = small_stage("polish-denoiser", synthetic_pool(), perceptual, L1)
    image_only = []
    for weight in (1.0, 0.0):
        stage.module.zero_grad()
        object.__setattr__(stage._loss, "weights", ImageLossWeights(l1=weight))
        stage.loss(0)[0].backward()
        image_only.append(stage.module.stem[1].weight.grad.clone())
    assert not torch.equal(*image_only)
    assert all(parameter.grad is None for parameter in stage._autoencoder.parameters())
    assert all(parameter.grad is None for parameter in stage._experts.parameters())
    assert all(parameter.grad is None for parameter in stage.module.meter.parameters())
