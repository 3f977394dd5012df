"""One image on several processes gives what one process gives; the processes are real and talk through gloo."""

from __future__ import annotations

import band_workers
import numpy as np
import pytest
import torch
import torch.multiprocessing
from small_models import small_transformer

from linearsr.models.peers import Alone, Group


@pytest.fixture(scope="module", params=[2, 4])
def folder(request, tmp_path_factory):
    """What a group of 2 or 4 processes has saved."""
    folder = tmp_path_factory.mktemp("bands")
    torch.multiprocessing.spawn(band_workers.run, (request.param, folder), nprocs=request.param)
    return folder, request.param


def test_every_process_gets_the_velocity_of_the_whole(folder):
    path, count = folder
    z, lr = band_workers.velocity_inputs()
    with torch.inference_mode():
        whole = small_transformer()(z, torch.tensor([0.4]), lr).numpy()
    for rank in range(count):
        np.testing.assert_allclose(np.load(path / f"velocity{rank}.npy"), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fix", band_workers.FIXES)
def test_the_picture_is_that_of_one_process(folder, fix):
    path, _ = folder
    alone = band_workers.pipeline().upscale(band_workers.picture(), band_workers.upscale_request(fix))
    shared = np.load(path / f"{fix}.npy")
    difference = np.abs(shared.astype(int) - np.dstack((alone.color, alone.alpha)).astype(int))
    assert difference.max() <= 1


def test_alone_needs_nobody():
    x = torch.ones(1, 2, 3, 4)
    peers = Alone()
    assert peers.band(7) == (0, 7)
    assert peers.borders(x, x) == (None, None)
    assert peers.add_up(x) is peers.join(x) is x


def test_bands_cover_every_row_once_and_too_small_an_image_is_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group: 3)

    def band(rank, rows):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda group: rank)
        return Group().band(rows)

    assert [band(rank, 8) for rank in range(3)] == [(0, 2), (2, 5), (5, 8)]
    with pytest.raises(ValueError, match="2 latent rows cannot be shared by 3 processes"):
        band(0, 2)
