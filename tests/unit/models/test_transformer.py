from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from small_models import TRANSFORMER, randn, seeded, small_transformer

from linearsr.models.conditioning import sinusoids
from linearsr.models.transformer import LinearTransformer, TransformerConfig


def arguments(height=2, width=3, batch=2):
    return randn(batch, 4, height, width), torch.full((batch,), 0.7), randn(batch, 3, 8 * height, 8 * width, seed=1)


@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (5, 3)])
def test_velocity_has_the_shape_of_the_latent(grid):
    z, t, lr = arguments(*grid)
    assert small_transformer()(z, t, lr).shape == z.shape


def test_untrained_velocity_starts_at_zero_whatever_the_input():
    model = seeded(0, lambda: LinearTransformer(TRANSFORMER))
    z, t, lr = arguments()
    assert model.patch_out.weight.abs().max() == 0
    torch.testing.assert_close(model(z, t, lr), model(10 * z, t / 2, -lr), rtol=0, atol=0)
    assert model(z, t, lr).abs().max() <= model.patch_out.bias.abs().max()


@pytest.mark.parametrize("changed", ["latent", "timestep", "lr"])
def test_every_input_changes_the_output(changed):
    model = small_transformer()
    z, t, lr = arguments()
    other = {"latent": (z + 1, t, lr), "timestep": (z, t / 2, lr), "lr": (z, t, -lr)}[changed]
    assert (model(*other) - model(z, t, lr)).abs().max() > 1e-3


def test_one_lr_pixel_reaches_every_token():
    z, t, lr = arguments(6, 5, batch=1)
    model, other = small_transformer(), lr.clone()
    other[..., 0, 0] += 5
    assert ((model(z, t, other) - model(z, t, lr)).abs().amax(1) > 0).all()


def test_guidance_changes_the_output_and_masked_tokens_do_not():
    model, (z, t, lr) = small_transformer(), arguments()
    tokens, mask = randn(2, 3, 8, seed=2), torch.tensor([[True, True, False]] * 2)
    noisy = tokens.clone()
    noisy[:, 2] = 100
    guided = model(z, t, lr, tokens, mask)
    torch.testing.assert_close(model(z, t, lr, noisy, mask), guided, rtol=0, atol=0)
    assert (model(z, t, lr, noisy) - model(z, t, lr, tokens)).abs().max() > 1e-4
    assert (guided - model(z, t, lr)).abs().max() > 1e-4


def test_no_guidance_means_the_null_token():
    model, (z, t, lr) = small_transformer(), arguments()
    null = model.guidance.null_token.expand(2, -1, -1)
    assert torch.equal(model(z, t, lr), model(z, t, lr, null))


def test_each_image_of_a_batch_is_computed_alone():
    model, (z, t, lr) = small_transformer(), arguments()
    torch.testing.assert_close(model(z, t, lr)[1:], model(z[1:], t[1:], lr[1:]), rtol=1e-5, atol=1e-6)


def test_every_parameter_gets_a_gradient():
    model, (z, t, lr) = small_transformer(), arguments()
    model(z, t, lr).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0] == []


def test_sinusoids_tell_timesteps_apart():
    features = sinusoids(torch.linspace(0, 1, 1001))
    assert features.shape == (1001, 256)
    assert torch.cdist(features, features).fill_diagonal_(1).min() > 0.1


def test_width_that_the_heads_do_not_divide_is_named():
    with pytest.raises(ValueError, match="width 10 must be a multiple of heads 4"):
        TransformerConfig(width=10, heads=4)


@pytest.mark.parametrize("cross_heads", [0, 4])
def test_width_that_the_heads_of_cross_attention_do_not_divide_is_named(cross_heads):
    with pytest.raises(ValueError, match=f"width 10 must be a multiple of cross_heads {cross_heads}"):
        TransformerConfig(width=10, heads=2, cross_heads=cross_heads)


def test_epsilon_of_the_norm_of_queries_and_keys_is_positive_or_none():
    with pytest.raises(ValueError, match="qk_norm_eps must be positive, or None for no norm, not 0"):
        TransformerConfig(qk_norm_eps=0)


def test_a_row_without_any_token_is_told_the_null_token():
    model = small_transformer()
    z, t, lr = arguments()
    guidance, mask = randn(2, 3, 8, seed=2), torch.tensor([[True, True, False], [False, False, False]])
    mixed = model(z, t, lr, guidance, mask)
    alone = model(z[:1], t[:1], lr[:1], guidance[:1, :2])
    null = model(z[1:], t[1:], lr[1:])
    torch.testing.assert_close(mixed, torch.cat((alone, null)), rtol=1e-4, atol=1e-5)


def test_unknown_guidance_is_refused():
    with pytest.raises(ValueError, match="not 'smell'"):
        TransformerConfig(guidance="smell")


def test_a_model_that_will_be_loaded_is_built_without_symbolic_algebra():
    code = (
        "import sys, torch; from linearsr.models.transformer import LinearTransformer, TransformerConfig\n"
        "with torch.device('meta'): LinearTransformer(TransformerConfig())\n"
        "assert 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
