from __future__ import annotations

import pytest
import torch
from small_models import photo

from linearsr.errors import DataError
from linearsr.training.objective import ImageLoss, ImageLossWeights, grid_pattern, velocity_loss

EVERYTHING = ImageLossWeights(l1=1.0, lpips=0.3, dists=0.2, dists_samples=1, adversarial=0.1)


def images():
    target = torch.from_numpy(photo(64, 64)).permute(2, 0, 1)[None].float() / 127.5 - 1
    return (0.7 * target).repeat(2, 1, 1, 1).requires_grad_(), target.repeat(2, 1, 1, 1)


def test_loss_is_the_weighted_sum_of_its_parts(perceptual):
    loss, parts = ImageLoss(EVERYTHING, perceptual)(*images())
    assert parts.keys() == {"l1", "lpips", "dists", "adversarial"}
    assert float(loss.detach()) == pytest.approx(
        sum(getattr(EVERYTHING, name) * value for name, value in parts.items())
    )
    output, target = images()
    assert parts["l1"] == pytest.approx(float((output - target).detach().abs().mean()) / 2)


def test_parts_without_weight_are_not_computed(perceptual):
    loss = ImageLoss(ImageLossWeights(), perceptual)
    assert loss(*images())[1].keys() == {"l1"}
    assert loss.learners == {}


def test_gradient_reaches_the_output_from_every_part(perceptual):
    for name in ("lpips", "dists", "adversarial"):
        output, target = images()
        ImageLoss(ImageLossWeights(l1=0.0, **{name: 1.0}), perceptual)(output, target)[0].backward()
        assert output.grad.abs().sum() > 0, name


def test_autocast_lowers_the_trunks_and_nothing_else(perceptual, monkeypatch):
    weights = ImageLossWeights(l1=1.0, lpips=1.0, texture=1.0, grid=1.0, dists=1.0, adversarial=1.0)
    loss, dtypes = ImageLoss(weights, perceptual), []
    for network in (loss.lpips, loss.dists):

        def features(x, plain=network.features):
            found = plain(x)
            dtypes.append(found[-1].dtype)
            return found

        monkeypatch.setattr(network, "features", features)
    _, plain = loss(*images())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, lowered = loss(*images())
    assert dtypes == [torch.float32] * 4 + [torch.bfloat16] * 4
    assert total.dtype == torch.float32
    for name in ("lpips", "dists"):
        assert lowered[name] == pytest.approx(plain[name], rel=0.02), name
        assert lowered[name] != plain[name], name
    assert all(lowered[name] == plain[name] for name in ("l1", "texture", "grid"))
    assert lowered["adversarial"] == pytest.approx(plain["adversarial"], rel=1e-3)  # spectral norms go on


def test_discriminator_learns_to_tell_output_from_target(perceptual):
    loss = ImageLoss(ImageLossWeights(adversarial=1.0), perceptual)
    output, target = images()
    critic = loss.learners["discriminator"].optimizer
    for _ in range(30):
        critic.zero_grad()
        loss(output, target)
        critic.step()
    assert loss.discriminator(target).mean() > loss.discriminator(output).mean() + 0.5


def test_loss_of_the_decoder_leaves_the_gradient_of_the_discriminator_alone(perceptual):
    loss = ImageLoss(ImageLossWeights(adversarial=1.0), perceptual)
    total, _ = loss(*images())
    own = [parameter.grad.clone() for parameter in loss.discriminator.parameters()]
    assert any(gradient.any() for gradient in own)
    total.backward()
    assert all(torch.equal(a, b.grad) for a, b in zip(own, loss.discriminator.parameters(), strict=True))


def test_missing_trunk_is_named_with_where_it_comes_from(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*lpips_alexnet.safetensors.*recipes/perceptual_weights.py"):
        ImageLoss(ImageLossWeights(), tmp_path)


def test_velocity_loss_is_the_mean_squared_error():
    assert velocity_loss(torch.full((1, 2, 3, 3), 3.0), torch.ones(1, 2, 3, 3)) == 4


def test_grid_pattern_is_what_repeats_with_the_period():
    x = torch.arange(64.0).expand(1, 1, 64, 64)
    stripes = 0.3 * (x % 4 == 0)
    for period in (2, 4, 8):
        assert grid_pattern(0.3 * (x % period == 0)).abs().max() > 0.14
    assert grid_pattern(torch.full((1, 3, 64, 64), 0.7)).abs().max() < 1e-6
    texture = torch.rand(1, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    assert grid_pattern(texture).abs().mean() < 0.25 * texture.std()
    assert grid_pattern(0.3 * (x % 3 == 0)).abs().mean() < 0.5 * grid_pattern(stripes).abs().mean()
