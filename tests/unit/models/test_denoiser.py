"""The denoiser, and that its rows in strips are those of one piece."""

from __future__ import annotations

import pytest
import torch
from small_models import randn, small_denoiser

from linearsr.models.denoiser import Denoiser, DenoiserConfig
from linearsr.models.denoising import denoised_rows, receptive_radius

HEIGHT, WIDTH = 328, 24


@pytest.fixture(scope="module")
def denoiser():
    return small_denoiser()


@pytest.fixture(scope="module")
def lr():
    return randn(1, 3, HEIGHT, WIDTH).tanh()


def rows_of(denoiser, lr, **options):
    pieces = denoised_rows(denoiser, lambda a, b: lr[:, :, a:b], 7.0, height=HEIGHT, **options)
    with torch.inference_mode():
        return torch.cat(list(pieces), 2)


@torch.inference_mode()
def whole(denoiser, lr):
    return denoiser(lr, torch.tensor([7.0]))


@pytest.mark.parametrize("rows", [8, 24, 64, HEIGHT])
@pytest.mark.parametrize("start", [0, 8, 160, HEIGHT - 8])
def test_strips_equal_the_whole(denoiser, lr, rows, start):
    expected = whole(denoiser, lr)[:, :, start:]
    assert (rows_of(denoiser, lr, rows=rows, start=start) - expected).abs().max() < 1e-5
    assert (expected - lr[:, :, start:]).abs().max() > 0.01


def test_the_share_says_how_much_is_taken_out(denoiser, lr):
    expected = lr.lerp(whole(denoiser, lr), 0.3)
    assert (rows_of(denoiser, lr, rows=64, share=0.3) - expected).abs().max() < 1e-5


def test_the_strength_matters(denoiser, lr):
    with torch.inference_mode():
        assert (denoiser(lr, torch.tensor([1.0])) - denoiser(lr, torch.tensor([30.0]))).abs().max() > 1e-3


@pytest.mark.parametrize("depth", [1, 2])
def test_nothing_beyond_the_receptive_radius_is_seen(depth):
    config = DenoiserConfig(widths=(4, 4, 4), depth=depth)
    denoiser, radius = Denoiser(config).double(), receptive_radius(config)
    lr = torch.zeros(1, 3, 2 * radius + 16, 8, dtype=torch.float64, requires_grad=True)
    denoiser(lr, torch.ones(1, dtype=torch.float64))[:, :, radius : radius + 16].sum().backward()
    rows = lr.grad.abs().sum((0, 1, 3))
    assert receptive_radius(config) % 8 == 0
    seen = torch.nonzero(rows)[:, 0]
    assert radius > radius + 8 - int(seen.min()) > radius / 2


@pytest.mark.parametrize(
    ("change", "named"), [({"widths": (4, 4)}, "widths"), ({"widths": (4, 0, 4)}, "widths"), ({"depth": 0}, "depth")]
)
def test_impossible_geometry_is_refused(change, named):
    with pytest.raises(ValueError, match=named):
        DenoiserConfig(**change)


def test_the_meter_gives_one_value_a_picture_and_learns_what_noise_is():
    denoiser = small_denoiser()
    denoiser.meter.train()
    optimizer = torch.optim.Adam(denoiser.meter.parameters(), 0.01)
    strengths = torch.tensor([2.0, 8.0, 32.0])
    for step in range(300):
        noise = randn(3, 3, 32, 32, seed=step) * strengths[:, None, None, None] / 127.5
        loss = (denoiser.meter(noise) - strengths.log()).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told = denoiser.meter(randn(3, 3, 32, 32, seed=1000) * strengths[:, None, None, None] / 127.5).exp()
    assert told.shape == (3,)
    assert ((told / strengths).log().abs() < 0.5).all()
