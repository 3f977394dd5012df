from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from linearsr.data.live import Ahead, LivePairs
from linearsr.data.presets import camera
from linearsr.data.store import PhotoStore
from linearsr.errors import ConfigError, DataError


@pytest.fixture
def pairs(photo_files):
    return LivePairs(PhotoStore(photo_files))


def batch(source, step, *, seed=0, size=4, lr_side=8, **share):
    return source.batch(step, seed=seed, size=size, lr_side=lr_side, **share)


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_batch_is_a_pure_function_of_seed_and_step(photo_files, pairs):
    lr, hr = batch(pairs, 5)
    assert (lr.shape, hr.shape) == ((4, 3, 8, 8), (4, 3, 32, 32))
    assert -1 <= min(lr.min(), hr.min()) < max(lr.max(), hr.max()) <= 1
    assert equal((lr, hr), batch(LivePairs(PhotoStore(photo_files, budget=1)), 5))
    assert not equal((lr, hr), batch(pairs, 6))
    assert not equal((lr, hr), batch(pairs, 5, seed=1))


def test_batches_of_the_ranks_in_order_are_the_batch_of_one_process(photo_files, pairs):
    whole = batch(pairs, 2, size=6)
    for world in (2, 3):
        parts = [batch(LivePairs(PhotoStore(photo_files)), 2, size=6, rank=r, world=world) for r in range(world)]
        assert equal([torch.cat(shares) for shares in zip(*parts, strict=True)], whole)


def test_lr_shows_the_same_place_in_the_same_orientation(photo_files):
    pairs = LivePairs(PhotoStore(photo_files), mix=[(camera(), 1.0)])
    for step in range(20):
        lr, hr = batch(pairs, step, size=1, lr_side=16)
        small = F.interpolate(hr, (16, 16), mode="area")
        seen = {"aligned": small, "turned": small.rot90(1, (-2, -1)), "mirrored": small.flip(-1)}
        likeness = {name: np.corrcoef(x.numpy().ravel(), lr.numpy().ravel())[0, 1] for name, x in seen.items()}
        assert likeness["aligned"] > 0.6, step
        assert max(likeness, key=likeness.get) == "aligned"


def used(store, pairs, steps, **options):
    """Numbers of the photos that each step asks for."""
    asked = []
    get = store.get
    store.get = lambda number: asked.append(number) or get(number)
    for step in range(steps):
        batch(pairs, step, **options)
    return np.array(asked).reshape(steps, -1)


def test_repeats_keep_a_photo_for_some_steps_and_change_a_part_of_the_slots_each_step(photo_files):
    store = PhotoStore(photo_files)
    asked = used(store, LivePairs(store, repeats=4), 24, size=8)
    changed = (np.diff(asked, axis=0) != 0).mean(1)
    assert changed.max() <= 0.25
    assert changed.sum() > 3
    assert set(asked.ravel()) == set(range(6))
    fresh = used(store, LivePairs(store), 24, size=8)
    assert (np.diff(fresh, axis=0) != 0).mean() > 0.7


def test_repeated_photos_give_different_crops(photo_files):
    pairs = LivePairs(PhotoStore(photo_files[:1]), repeats=50)
    assert len({batch(pairs, step, size=1)[1].numpy().tobytes() for step in range(20)}) == 20


def test_texture_makes_photos_likelier(photo_files):
    store = PhotoStore(photo_files)
    counts = np.bincount(used(store, LivePairs(store, texture_power=1), 60).ravel(), minlength=6)
    assert counts[5] > 0.6 * counts.sum()  # its texture is 3/4 of the sum
    counts = np.bincount(used(store, LivePairs(store), 60).ravel(), minlength=6)
    assert counts.min() > 0.08 * counts.sum()


def test_photos_without_a_score_count_as_average(photo_files):
    unknown = [replace(photo_files[0], texture=None), replace(photo_files[1], texture=12.0)]
    store = PhotoStore(unknown)
    counts = np.bincount(used(store, LivePairs(store, texture_power=2), 60).ravel())
    assert 0.35 < counts[0] / counts.sum() < 0.65


def test_photos_of_the_next_steps_are_decoded_ahead(photo_files):
    store = PhotoStore(photo_files)
    pairs, wanted = LivePairs(store), []
    store.prefetch = wanted.extend
    store.get = lambda number: torch.zeros(3, 64, 64, dtype=torch.uint8)
    batch(pairs, 0)
    other = PhotoStore(photo_files)
    asked = used(other, LivePairs(other), 3)
    assert wanted == asked[1:].ravel().tolist()


def test_photo_smaller_than_the_crop_is_named(pairs):
    with pytest.raises(DataError, match=r"photo photo-\d has only \d\d of a crop's 80 pixels"):
        batch(pairs, 0, lr_side=20, size=64)


def test_no_repeats_are_refused(photo_files):
    with pytest.raises(ConfigError, match="repeats must be at least 1, not 0"):
        LivePairs(PhotoStore(photo_files), repeats=0)


def test_working_ahead_changes_nothing(photo_files, pairs):
    ahead = Ahead(LivePairs(PhotoStore(photo_files)))
    for step, seed in [(0, 0), (1, 0), (2, 0), (5, 0), (6, 1), (7, 1)]:
        assert equal(batch(ahead, step, seed=seed), batch(pairs, step, seed=seed))


def test_working_ahead_starts_on_the_next_step_at_once(pairs):
    class Recorder:
        def __init__(self):
            self.steps = []

        def batch(self, step, **options):
            self.steps.append(step)
            return pairs.batch(step, **options)

    recorder = Recorder()
    ahead = Ahead(recorder)
    batch(ahead, 3)
    ahead._next[1].result()
    assert recorder.steps == [3, 4]
    batch(ahead, 4)
    ahead._next[1].result()
    assert recorder.steps == [3, 4, 5]


def test_an_error_met_ahead_is_raised_when_its_step_is_asked_for(photo_files):
    class Failing:
        def batch(self, step, **options):
            if step == 1:
                raise DataError("gone", remedy="none")
            return torch.zeros(1), torch.zeros(1)

    ahead = Ahead(Failing())
    batch(ahead, 0)
    with pytest.raises(DataError, match="gone"):
        batch(ahead, 1)
