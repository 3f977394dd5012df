"""Published weights are read without running anything."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from small_models import randn

from linearsr.errors import InputError, ModelError
from linearsr.weight_files import read_weights, refuse_position_embedding

WEIGHTS = {"a.weight": randn(2, 3), "b.bias": randn(4)}


def same(found):
    return found.keys() == WEIGHTS.keys() and all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


@pytest.mark.parametrize("content", [WEIGHTS, {"state_dict": WEIGHTS, "epoch": 3}])
def test_pytorch_file_is_read_with_or_without_what_surrounds_the_weights(tmp_path, content):
    torch.save(content, tmp_path / "model.pth")
    assert same(read_weights(tmp_path / "model.pth"))


def test_a_folder_is_read_as_one_checkpoint_in_parts(tmp_path):
    for name, value in WEIGHTS.items():
        save_file({name: value}, tmp_path / f"{name}.safetensors")
    assert same(read_weights(tmp_path))


class Trap:
    def __reduce__(self):
        return print, ("executed",)


def test_a_pickle_that_would_run_something_is_refused(tmp_path, capsys):
    (tmp_path / "model.pth").write_bytes(pickle.dumps({"state_dict": Trap()}, protocol=2))
    torch.save({"state_dict": Trap()}, tmp_path / "model.bin")
    for name in ("model.pth", "model.bin"):
        with pytest.raises(ModelError, match=f"cannot read .*{name}"):
            read_weights(tmp_path / name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"a": 1}}])
def test_a_file_of_other_things_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="something else than tensors"):
        read_weights(tmp_path / "model.pt")


def test_damaged_and_absent_files_are_named(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"x\.safetensors"):
        read_weights(tmp_path)
    for path in (tmp_path / "none", tmp_path / "none.pth"):
        with pytest.raises(InputError, match="no weights at"):
            read_weights(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no weights at"):
        read_weights(tmp_path / "empty")


def test_positional_embedding_is_refused(tmp_path):
    refuse_position_embedding(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"interpolation_scale": None}))
    refuse_position_embedding(tmp_path / "model.safetensors")
    config.write_text(json.dumps({"interpolation_scale": 2.0}))
    with pytest.raises(InputError, match=r"positional embedding \(interpolation_scale 2\.0\)"):
        refuse_position_embedding(tmp_path)
    config.write_text("[]")
    with pytest.raises(ModelError, match=r"config\.json"):
        refuse_position_embedding(tmp_path)
