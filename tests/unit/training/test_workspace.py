from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training_photos import write_shards

from linearsr.data.loader import PairPool
from linearsr.errors import DataError
from linearsr.training.presets import ci
from linearsr.training.workspace import Workspace, most_detailed


@pytest.fixture
def work(tmp_path, perceptual):
    photos = write_shards(tmp_path / "photos", photos=2)
    return Workspace(run=tmp_path / "run", photos=photos, perceptual=perceptual, recipe=ci())


def batch(source):
    return source.batch(3, seed=0, size=2, lr_side=16)


def test_the_pool_is_built_once_and_read_afterwards(work):
    first = batch(work.pairs())
    moved = work.photos.rename(work.photos.with_name("elsewhere"))
    assert all(a.equal(b) for a, b in zip(first, batch(work.pairs()), strict=True))
    assert moved.exists()
    assert [path.name for path in work.run.iterdir()] == ["pool.safetensors"]


def test_live_pairs_are_degraded_anew_and_leave_no_pool(work):
    live = replace(work, live=True)
    lr, hr = batch(live.pairs())
    assert lr.shape == (2, 3, 16, 16)
    assert hr.shape == (2, 3, 64, 64)
    assert batch(live.detailed_pairs())[0].shape == lr.shape
    assert not work.run.exists()


def test_pairs_of_a_stage_are_made_once_and_read_afterwards(work):
    def gone():
        raise AssertionError("there is a pool already")

    stage = work.recipe.detail
    first = batch(work.kept(work.pairs, stage))
    assert [path.name for path in (work.run / "detail").iterdir()] == ["pairs.safetensors"]
    assert all(a.equal(b) for a, b in zip(first, batch(work.kept(gone, stage)), strict=True))


def test_pairs_of_a_stage_stay_live_where_photos_are(work):
    live = replace(work, live=True)
    source = live.pairs()
    assert live.kept(lambda: source, work.recipe.detail) is source
    assert not work.run.exists()


def test_photos_without_a_training_or_a_validation_split_are_refused(work, tmp_path, monkeypatch):
    for validation, method in ((True, "pairs"), (False, "validation_set")):
        monkeypatch.setattr("linearsr.data.shards.is_held_out", lambda row, answer=validation: answer)
        with pytest.raises(DataError, match="holds no photo"):
            getattr(work, method)()


def test_the_most_detailed_photos_are_those_with_the_most_texture():
    flat, busy = torch.full((3, 64, 64), 99, dtype=torch.uint8), torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    lr = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    pool = PairPool(("a", "b", "c", "d"), (flat, busy, flat, busy), (lr, lr, lr, lr))
    assert most_detailed(pool, 0.5).keys == ("b", "d")
    assert len(most_detailed(pool, 0.01).keys) == 1


def test_discriminators_start_from_their_seed(work):
    weights = work.recipe.polish_loss
    first, again, other = (work.image_loss(weights, seed).discriminator.state_dict() for seed in (1, 1, 2))
    assert all(value.equal(again[name]) for name, value in first.items())
    assert not all(value.equal(other[name]) for name, value in first.items())
