from pathlib import Path

import PIL.Image
import pytest
from small_models import photo, small_pipeline

from linearsr.evaluation.datasets import open_dataset


@pytest.fixture
def pairs(tmp_path):
    """Three pairs of scale 4, whose sides are no multiples of the latent grid's."""
    for side in ("lr", "hr"):
        Path(tmp_path / "pairs" / side).mkdir(parents=True)
    for seed in range(3):
        image = PIL.Image.fromarray(photo(88, 96, seed))
        image.save(tmp_path / f"pairs/hr/{seed}.png")
        image.resize((24, 22)).save(tmp_path / f"pairs/lr/{seed}.png")
    return open_dataset("folder", tmp_path / "pairs")


@pytest.fixture
def pipeline():
    return small_pipeline()
