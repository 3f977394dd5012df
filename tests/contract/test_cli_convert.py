"""``linearsr convert`` as a user meets it."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import save_file

pytest.importorskip("diffusers")

from sana_weights import SMALL, diffusers_sana
from small_dc_ae import SMALL_F32C4

from linearsr.cli.main import run


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A checkpoint and a DC-AE. The stand-in geometry is not a published one, which files tell by their width."""
    from diffusers import AutoencoderDC

    monkeypatch.setattr("linearsr.convert.sana_geometry", lambda weights: SMALL)
    save_file(diffusers_sana(SMALL).state_dict(), tmp_path / "sana.safetensors")
    AutoencoderDC(**SMALL_F32C4).save_pretrained(tmp_path / "dc-ae")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "storage", "file"),
    [
        ([], "bfloat16", "experts-1"),
        (["--storage", "int8"], "int8", "experts-1"),
        (["--layout", "together"], "bfloat16", "experts"),
        (["--layout", "delta-int8"], "int8", "experts-2"),
    ],
)
def test_makes_a_model_folder(files, capsys, options, storage, file):
    out = files / "out"
    arguments = [str(files / "sana.safetensors"), "--autoencoder", str(files / "dc-ae"), "-o", str(out)]
    assert run(["convert", *arguments, *options]) == 0
    assert "four experts of width 96 and depth 2" in capsys.readouterr().out
    index = json.loads((out / "model_index.json").read_text())
    assert index["name"] == "out"
    assert index["files"][file]["storage"] == storage
    assert index["transformer"]["cross_heads"] == 4


def test_does_not_write_into_a_folder_that_exists(files, capsys):
    assert run(["convert", "a", "--autoencoder", "b", "--output", str(files)]) == 1
    assert f"{files} exists already" in capsys.readouterr().err


def test_a_missing_checkpoint_is_named_and_nothing_written(files, capsys):
    out = files / "out"
    arguments = [str(files / "none.pth"), "--autoencoder", str(files / "dc-ae"), "-o", str(out)]
    assert run(["convert", *arguments]) == 1
    assert "none.pth" in capsys.readouterr().err
    assert not out.exists()
