from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import photo

from linearsr.data.degradations import degrade
from linearsr.data.loader import AT_ONCE, PairPool, build_pool, degrade_mixed
from linearsr.data.photo import Photo
from linearsr.data.presets import camera, light, training_mix
from linearsr.errors import DataError


def key(name):
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture(scope="module")
def photos():
    sizes = [(100, 140), (130, 96), (64, 64)]
    return [Photo(key=key(f"p{i}"), pixels=photo(*size, seed=i), validation=False) for i, size in enumerate(sizes)]


@pytest.fixture(scope="module")
def pool(photos):
    return build_pool(photos, variants=2, seed=1)


def batch(pool, step, seed=0, lr_side=8, size=3):
    return pool.batch(step, seed=seed, size=size, lr_side=lr_side)


def test_photos_are_trimmed_to_the_latent_grid_and_degraded_in_variants(pool):
    assert sorted(tuple(image.shape) for image in pool.hr) == [(3, 64, 64), (3, 96, 128), (3, 128, 96)]
    for hr, lr in zip(pool.hr, pool.lr, strict=True):
        assert hr.dtype == lr.dtype == torch.uint8
        assert lr.shape == (2, 3, hr.shape[1] // 4, hr.shape[2] // 4)
        assert not torch.equal(lr[0], lr[1])


def test_pool_does_not_depend_on_the_order_of_photos(photos, pool):
    again = build_pool(photos[::-1], variants=2, seed=1)
    assert again.keys == pool.keys
    assert all(torch.equal(a, b) for a, b in zip(pool.lr, again.lr, strict=True))
    other = build_pool(photos, variants=2, seed=2)
    assert not all(torch.equal(a, b) for a, b in zip(pool.lr, other.lr, strict=True))


def test_batch_is_a_pure_function_of_seed_and_step(pool):
    lr, hr = batch(pool, 5)
    assert (lr.shape, hr.shape) == ((3, 3, 8, 8), (3, 3, 32, 32))
    assert all(torch.equal(a, b) for a, b in zip((lr, hr), batch(pool, 5), strict=True))
    for other in (batch(pool, 6), batch(pool, 5, seed=1)):
        assert not torch.equal(other[1], hr)
    assert -1 <= hr.min() < hr.max() <= 1


def test_lr_and_hr_crops_show_the_same_place_in_the_same_orientation(pool):
    for step in range(20):
        lr, hr = batch(pool, step, lr_side=16, size=1)
        small = F.interpolate(hr, (16, 16), mode="area")
        likeness = {
            name: np.corrcoef(image.numpy().ravel(), lr.numpy().ravel())[0, 1]
            for name, image in {
                "aligned": small,
                "turned": small.rot90(1, (-2, -1)),
                "mirrored": small.flip(-1),
            }.items()
        }
        assert likeness["aligned"] > 0.6, (step, likeness)
        assert likeness["aligned"] == max(likeness.values())


def test_crops_use_every_photo_place_and_orientation(pool):
    seen = {batch(pool, step, size=1)[1].numpy().tobytes() for step in range(200)}
    assert len(seen) > 100


def test_pool_survives_its_file_and_files_can_be_joined(photos, pool, tmp_path):
    pool.save(tmp_path / "all.safetensors")
    loaded = PairPool.load(tmp_path / "all.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(batch(pool, 3), batch(loaded, 3), strict=True))
    for index, part in enumerate(photos):
        build_pool([part], variants=2, seed=1).save(tmp_path / f"{index}.safetensors")
    joined = PairPool.load(*(tmp_path / f"{index}.safetensors" for index in range(3)))
    assert joined.keys == pool.keys
    assert all(torch.equal(a, b) for a, b in zip(batch(pool, 3), batch(joined, 3), strict=True))


def test_pairs_of_another_source_are_kept_in_8_bit_levels(pool, tmp_path):
    kept = PairPool.of(pool, count=20, lr_side=16, seed=5)
    first, second = (pool.batch(step, seed=5, size=AT_ONCE, lr_side=16) for step in (0, 1))
    for images, levels in zip(zip(first, second, strict=True), ([lr[0] for lr in kept.lr], kept.hr), strict=True):
        torch.testing.assert_close(torch.stack(tuple(levels)).float() / 127.5 - 1, torch.cat(images)[:20])
    kept.save(tmp_path / "kept.safetensors")
    loaded = PairPool.load(tmp_path / "kept.safetensors")
    assert loaded.keys == kept.keys
    assert all(torch.equal(a, b) for a, b in zip(batch(kept, 3), batch(loaded, 3), strict=True))


def test_what_lies_between_levels_or_beyond_them_goes_to_the_nearest():
    class Between:
        def batch(self, step, *, size, lr_side, **options):
            return torch.full((size, 3, lr_side, lr_side), 0.001), torch.full((size, 3, 4 * lr_side, 4 * lr_side), 1.2)

    kept = PairPool.of(Between(), count=1, lr_side=8, seed=0)
    assert kept.lr[0].unique().tolist() == [128]
    assert kept.hr[0].unique().tolist() == [255]


def test_photo_smaller_than_the_crop_is_named(pool):
    with pytest.raises(DataError, match=f"photo {key('p2')} has only 16 of the 24 LR pixels"):
        batch(pool, 0, lr_side=24, size=60)


def test_batches_of_the_ranks_in_order_are_the_batch_of_one_process(pool):
    whole = pool.batch(4, seed=1, size=6, lr_side=8)
    for world in (2, 3):
        parts = [pool.batch(4, seed=1, size=6, lr_side=8, rank=rank, world=world) for rank in range(world)]
        for images, shares in zip(whole, zip(*parts, strict=True), strict=True):
            assert torch.equal(torch.cat(shares), images)


def test_keys_may_be_any_text(pool):
    named = build_pool([Photo(key="holiday/a photo.jpg", pixels=photo(64, 64), validation=False)], variants=1, seed=0)
    assert named.keys == ("holiday/a photo.jpg",)


def test_mixed_degradation_draws_a_preset_for_each_seed_and_keeps_the_order():
    images = torch.stack([torch.from_numpy(photo(32, 32, seed)).permute(2, 0, 1).float() / 255 for seed in range(40)])
    results = degrade_mixed(images, training_mix(), range(40))
    by_preset = {preset.name: degrade(images, preset, range(40)) for preset, _ in training_mix()}
    names = [
        {name for name, other in by_preset.items() if torch.equal(result, other[place])}
        for place, result in enumerate(results)
    ]
    assert all(names)
    assert 10 < sum("camera" in found for found in names) < 30
    assert torch.equal(degrade_mixed(images[3:4], training_mix(), [3])[0], results[3])
    assert torch.equal(degrade_mixed(images, [(camera(), 0), (light(), 1)], range(40)), by_preset["light"])
