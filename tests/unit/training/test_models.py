from __future__ import annotations

import pytest
import torch
from small_models import small_autoencoder, small_experts, small_transformer

from linearsr.errors import TrainingError
from linearsr.tags.table import TagTable
from linearsr.training.models import Models, load_models

REMEDY = "train the stage first"


def same(a, b):
    return all(value.equal(b.state_dict()[name]) for name, value in a.state_dict().items())


def test_networks_come_back_with_their_geometry(tmp_path):
    models = Models(autoencoder=small_autoencoder(), transformer=small_transformer(), experts=small_experts())
    models.save(tmp_path)
    loaded = load_models(tmp_path, remedy=REMEDY)
    for name in ("autoencoder", "transformer", "experts"):
        assert getattr(loaded, name).config == getattr(models, name).config
        assert same(getattr(models, name), getattr(loaded, name))


def test_what_a_kill_left_of_an_earlier_save_is_removed(tmp_path):
    (tmp_path / ".experts.safetensors.x1.part").write_bytes(b"torn")
    Models(autoencoder=small_autoencoder()).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["autoencoder.safetensors"]


def test_what_a_stage_has_not_made_is_none(tmp_path):
    Models(autoencoder=small_autoencoder()).save(tmp_path)
    loaded = load_models(tmp_path, remedy=REMEDY)
    assert (loaded.transformer, loaded.experts) == (None, None)


def test_unfinished_stage_and_damaged_file_are_named_with_the_remedy(tmp_path):
    with pytest.raises(TrainingError, match=REMEDY):
        load_models(tmp_path, remedy=REMEDY)
    Models(autoencoder=small_autoencoder()).save(tmp_path)
    path = tmp_path / "autoencoder.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(TrainingError, match="does not match its SHA-256"):
        load_models(tmp_path, remedy=REMEDY)


def test_a_dc_ae_is_read_back_as_one(tmp_path):
    pytest.importorskip("diffusers")
    from small_dc_ae import small_dc_ae

    before = small_dc_ae()
    Models(autoencoder=before).save(tmp_path)
    after = load_models(tmp_path, remedy=REMEDY).autoencoder
    assert after.config.scaling == before.config.scaling
    assert same(Models(autoencoder=before).autoencoder, after)


def test_tokens_of_tags_come_back(tmp_path):
    table = TagTable(states={"": torch.zeros(1, 8), "dog": torch.ones(2, 8)})
    Models(autoencoder=small_autoencoder(), tag_table=table).save(tmp_path)
    loaded = load_models(tmp_path, remedy=REMEDY)
    assert loaded.tag_table.tags(["dog"]).equal(table.tags(["dog"]))
