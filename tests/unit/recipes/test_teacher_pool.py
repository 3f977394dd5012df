import numpy as np
import pytest
import torch
from recipes_folder import load_recipe

from linearsr.data.loader import PairPool
from linearsr.evaluation.metrics import Metric

recipe = load_recipe("teacher_pool")
LR_SIDES = ((40, 24), (16, 32))


def repeated(image):
    return image.repeat(4, 0).repeat(4, 1)


def black(image):
    return np.zeros_like(repeated(image))


@pytest.fixture
def pool():
    """Two photos with two LR images each, of random pixels."""
    random = np.random.default_rng(0)
    lr = [random.integers(0, 256, (2, 3, *sides), np.uint8) for sides in LR_SIDES]
    hr = [np.kron(images[0], np.ones((1, 4, 4), np.uint8)) for images in lr]
    return PairPool(("a", "b"), *(tuple(map(torch.from_numpy, images)) for images in (hr, lr)))


def test_the_middle_of_each_photo_is_taken_with_its_first_lr_image(pool):
    middles = recipe.middles(pool, 16)
    assert torch.equal(middles.lr[0], pool.lr[0][:1, :, 12:28, 4:20])
    assert torch.equal(middles.lr[1], pool.lr[1][:1, :, :, 8:24])
    for lr, hr in zip(middles.lr, middles.hr, strict=True):
        assert torch.equal(hr[:, ::4, ::4], lr[0])


def test_the_teacher_is_followed_only_where_it_is_nearer_to_the_photo():
    lr = np.full((8, 8, 3), 200, np.uint8)
    photo = repeated(lr)
    distance = Metric(name="l1", higher_is_better=False, measure=lambda a, b: np.abs(a - b.astype(float)).mean())
    nearer = {"teacher": repeated, "model": black}
    assert np.array_equal(recipe.nearer_picture(lr, photo, **nearer, distance=distance), photo)
    assert recipe.nearer_picture(lr, photo, teacher=black, model=repeated, distance=distance) is None
    assert recipe.nearer_picture(lr, photo, teacher=repeated, model=repeated, distance=distance) is None


def test_both_pools_together_give_crops_of_either(pool, tmp_path):
    middles = recipe.middles(pool, 16)
    taught = recipe.with_pictures(middles, [np.full((64, 64, 3), 255, np.uint8), None])
    assert taught.keys == ("a-teacher",)
    assert torch.equal(taught.lr[0], middles.lr[0])
    pool.save(tmp_path / "pool.safetensors")
    taught.save(tmp_path / "pool-teacher.safetensors")
    both = PairPool.load(*sorted(tmp_path.glob("pool*.safetensors")))
    _, hr = both.batch(0, seed=0, size=60, lr_side=8)
    assert 10 < (hr == 1).all((1, 2, 3)).sum() < 30
