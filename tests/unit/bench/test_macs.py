import pytest
import torch
import torch.nn.functional as F
from small_models import AUTOENCODER, TRANSFORMER, small_autoencoder, small_transformer
from torch import nn

from linearsr.bench.macs import count_macs


@torch.inference_mode()
def test_products_and_convolutions_are_counted_by_hand():
    linear, x = nn.Linear(12, 20), torch.zeros(3, 7, 12)
    assert count_macs(lambda: linear(x)) == 3 * 7 * 12 * 20
    conv, image = nn.Conv2d(4, 6, 3, padding=1, stride=2), torch.zeros(1, 4, 10, 8)
    assert count_macs(lambda: conv(image)) == 5 * 4 * 6 * 4 * 9
    depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    assert count_macs(lambda: depthwise(torch.zeros(1, 8, 5, 5))) == 25 * 8 * 9


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_softmax_attention_is_counted_in_every_mode(mode):
    q = torch.zeros(1, 2, 50, 8)
    with mode():
        assert count_macs(lambda: F.scaled_dot_product_attention(q, q, q)) == 2 * 2 * 50 * 50 * 8


def test_a_backward_pass_costs_twice_the_forward():
    linear, x = nn.Linear(12, 20, bias=False), torch.zeros(5, 12, requires_grad=True)
    assert count_macs(lambda: linear(x).sum().backward()) == 3 * 5 * 12 * 20


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("transposed", [False, True])
def test_the_backward_pass_of_a_convolution_is_counted_by_its_groups(groups, transposed):
    layer = nn.ConvTranspose2d if transposed else nn.Conv2d
    conv = layer(8, 16, 3, stride=2, padding=1, groups=groups)
    x = torch.randn(2, 8, 10, 6)
    positions = 10 * 6 if transposed else 5 * 3
    forward = 2 * positions * (8 // groups) * 16 * 9
    assert count_macs(lambda: conv(x)) == forward
    # The weights' gradient alone, and with that of the input.
    assert count_macs(lambda: conv(x).sum().backward()) == 2 * forward
    x.requires_grad_()
    assert count_macs(lambda: conv(x).sum().backward()) == 3 * forward


def test_the_backward_pass_of_attention_is_counted():
    q = torch.randn(1, 2, 50, 8, requires_grad=True)
    product = 2 * 50 * 50 * 8
    # Forward: two products; backward: the scores once more, then two for each of them.
    assert count_macs(lambda: F.scaled_dot_product_attention(q, q, q).sum().backward()) == (2 + 5) * product


def test_pointwise_work_is_free():
    assert count_macs(lambda: torch.zeros(100).exp() + 1) == 0


@torch.inference_mode()
def test_the_transformer_costs_what_its_layers_say():
    config, side = TRANSFORMER, 8
    n, width, hidden = side * side, config.width, int(config.mlp_ratio * config.width)
    c = width // config.heads
    attention = 4 * n * width * width + config.heads * n * (c * (c + 1)) * 2
    cross = 3 * width * width  # the one null token gets all attention: no queries, and one output for all
    ffn = n * (width * 2 * hidden + 9 * 2 * hidden + hidden * width)
    channels = config.lr_channels
    e_conv = 16 * n * (16 * 3 * channels // 2 + 4 * channels // 2 * channels + channels * channels)
    ends = n * width * (config.latent_channels + channels + config.latent_channels)
    time = 256 * width + width * width + width * 6 * width
    guidance = config.guidance_width * width + width * width
    expected = config.depth * (attention + cross + ffn) + e_conv + ends + time + guidance
    model, z = small_transformer(), torch.zeros(1, config.latent_channels, side, side)
    assert count_macs(lambda: model(z, torch.ones(1), torch.zeros(1, 3, 8 * side, 8 * side))) == expected


@torch.inference_mode()
def test_the_decoder_costs_the_same_per_pixel_at_every_size():
    decoder = small_autoencoder().decoder

    def macs(cells):
        latent = torch.zeros(1, AUTOENCODER.latent_channels, cells, cells)
        return count_macs(lambda: decoder(latent, torch.zeros(1, 3, 8 * cells, 8 * cells)))

    assert macs(4) == 4 * macs(2) > 0
