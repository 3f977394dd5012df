"""R20: tiled equals whole."""

from __future__ import annotations

import pytest
import torch
from small_models import AUTOENCODER, randn, small_autoencoder

import linearsr.models.tiling
from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig
from linearsr.models.tiling import decode_tiled, receptive_radius, spans

HALF_LEVEL = 1 / 255  # half of an 8-bit level, on a range of 2
CENTRE = 20


def difference(model, height, width, tile):
    latent, lr = randn(1, 4, height, width), randn(1, 3, 8 * height, 8 * width, seed=1).tanh()
    with torch.no_grad():
        return float((decode_tiled(model, latent, lr, tile) - model.decode(latent, lr)).abs().max())


@pytest.mark.parametrize(("grid", "tile"), [((1, 1), 8), ((1, 41), 8), ((37, 2), 60), ((17, 33), 60), ((5, 3), 10_000)])
def test_tiled_equals_whole(grid, tile):
    assert difference(small_autoencoder(), *grid, tile) <= HALF_LEVEL / 10


def test_the_comparison_would_notice_a_missing_halo(monkeypatch):
    monkeypatch.setattr(linearsr.models.tiling, "receptive_radius", lambda config: 0)
    assert difference(small_autoencoder(), 1, 41, 8) > HALF_LEVEL


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


@pytest.mark.parametrize(("length", "tile", "halo"), [(1, 1, 3), (10, 3, 0), (10, 3, 2), (7, 100, 5)])
def test_spans_cover_every_cell_once_with_their_halo(length, tile, halo):
    cut = list(spans(length, tile, halo))
    assert [cell for span in cut for cell in range(span.start, span.stop)] == list(range(length))
    assert all(span.low == max(0, span.start - halo) and span.high == min(length, span.stop + halo) for span in cut)
