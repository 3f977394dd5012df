"""R20: strips equal the whole, at any height of a strip."""

from __future__ import annotations

import pytest
import torch
from small_models import AUTOENCODER, randn, small_autoencoder

import linearsr.models.decoding
from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig
from linearsr.models.decoding import decode_rows, receptive_radius

HALF_LEVEL = 1 / 255  # half of an 8-bit level, on a range of 2
CENTRE = 20


def inputs(height, width):
    return randn(1, 4, height, width), randn(1, 3, 8 * height, 8 * width, seed=1).tanh()


@torch.no_grad()
def decoded(model, latent, lr, **options):
    pieces = decode_rows(model.decoder, latent, lambda top, bottom: lr[:, :, top:bottom], **options)
    return torch.cat([detail + source for detail, source in pieces], 2)


@pytest.mark.parametrize("grid", [(1, 1), (2, 5), (7, 3), (41, 1), (17, 33)])
@pytest.mark.parametrize("rows", [1, 8, 19, 400])
def test_strips_equal_the_whole(grid, rows):
    model = small_autoencoder()
    latent, lr = inputs(*grid)
    with torch.no_grad():
        whole = model.decode(latent, lr)
    torch.testing.assert_close(decoded(model, latent, lr, rows=rows), whole, rtol=0, atol=1e-6)


def test_a_deep_decoder_in_strips_equals_the_whole():
    model = Autoencoder(AutoencoderConfig(latent_channels=4, widths=AUTOENCODER.widths, depth=6, tail_width=4))
    latent, lr = inputs(24, 2)
    with torch.no_grad():
        whole = model.decode(latent, lr)
    torch.testing.assert_close(decoded(model, latent, lr, rows=1), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (5, 9), (30, 41), (40, 41)])
@pytest.mark.parametrize("rows", [3, 32, 400])
def test_a_band_equals_that_part_of_the_whole(start, stop, rows):
    model = small_autoencoder()
    latent, lr = inputs(41, 2)
    with torch.no_grad():
        part = model.decode(latent, lr)[:, :, 32 * start : 32 * stop]
    band = decoded(model, latent, lr, rows=rows, start=start, stop=stop)
    torch.testing.assert_close(band, part, rtol=0, atol=1e-6)


def test_the_comparison_would_notice_a_missing_halo(monkeypatch):
    monkeypatch.setattr(linearsr.models.decoding, "receptive_radius", lambda config: 0)
    model = small_autoencoder()
    latent, lr = inputs(41, 2)
    with torch.no_grad():
        part = model.decode(latent, lr)[:, :, 32 * 5 : 32 * 9]
    assert (decoded(model, latent, lr, rows=1, start=5, stop=9) - part).abs().max() > HALF_LEVEL


def test_only_the_rows_around_a_strip_are_read_at_once():
    model = small_autoencoder()
    latent, lr = inputs(41, 1)
    reads = []

    def read(top, bottom):
        reads.append(bottom - top)
        return lr[:, :, top:bottom]

    with torch.no_grad():
        assert sum(detail.shape[2] for detail, _ in decode_rows(model.decoder, latent, read, rows=16)) == 41 * 32
    assert max(reads) <= 16 + 2 * 3


@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize("axis", [-2, -1])
def test_nothing_beyond_the_receptive_radius_is_seen(depth, axis):
    config = AutoencoderConfig(latent_channels=4, widths=AUTOENCODER.widths, depth=depth, tail_width=4)
    model, radius = Autoencoder(config).double(), receptive_radius(config)
    sides = [1, 1]
    sides[axis] = 2 * CENTRE + 1
    latent = randn(1, 4, *sides).double().requires_grad_()
    lr = randn(1, 3, 8 * sides[0], 8 * sides[1], seed=1).double().requires_grad_()
    model.decode(latent, lr).narrow(axis, 32 * CENTRE, 32).sum().backward()
    others = tuple(dim for dim in range(4) if dim != axis % 4)
    for gradient, cell in ((latent.grad, 1), (lr.grad, 8)):
        seen = gradient.abs().amax(others).unflatten(0, (-1, cell)).amax(1).nonzero().flatten() - CENTRE
        assert seen.abs().max() <= radius
        assert seen.min() < 0 < seen.max()
