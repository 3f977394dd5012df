from __future__ import annotations

import numpy as np
import pytest
from small_models import photo

from linearsr.data.loader import PairPool, build_pool
from linearsr.data.photos import Photo


@pytest.fixture(scope="session")
def pool() -> PairPool:
    rows: list[np.ndarray] = [photo(96, 128, seed) for seed in range(2)]
    photos = [Photo(key=f"{index:064x}", pixels=pixels, validation=False) for index, pixels in enumerate(rows)]
    return build_pool(photos, variants=2, seed=0)
