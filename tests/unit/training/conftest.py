from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import save_file
from small_models import alexnet_weights, dists_heads, photo, seeded, vgg_weights

from linearsr.data.loader import PairPool, build_pool
from linearsr.data.photos import Photo


@pytest.fixture(scope="session")
def perceptual(tmp_path_factory):
    """A folder with the perceptual trunks, of random weights."""
    folder = tmp_path_factory.mktemp("perceptual")
    builders = {"lpips_alexnet": alexnet_weights, "lpips_vgg16": vgg_weights, "dists": dists_heads}
    for name, build in builders.items():
        save_file(seeded(0, build), folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="session")
def pool() -> PairPool:
    rows: list[np.ndarray] = [photo(96, 128, seed) for seed in range(2)]
    photos = [Photo(key=f"{index:064x}", pixels=pixels, validation=False) for index, pixels in enumerate(rows)]
    return build_pool(photos, variants=2, seed=0)
