"""``linearsr convert`` as a user meets it."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers")

from sana_weights import SMALL, diffusers_sana
from small_dc_ae import SMALL_F32C4

from linearsr.cli.main import run
from linearsr.tags.vocabulary import load_vocabulary


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


def test_a_text_encoder_and_a_list_give_the_model_tokens_of_tags(files, gemma, capsys):
    out, tags = files / "out", files / "tags.txt"
    tags.write_text("Harbour seal\n\ndog\n", encoding="utf-8")
    arguments = [str(files / "sana.safetensors"), "--autoencoder", str(files / "dc-ae"), "-o", str(out)]
    assert run(["convert", *arguments, "--text-encoder", str(gemma), "--tag-list", str(tags)]) == 0
    assert json.loads((out / "model_index.json").read_text())["transformer"]["guidance"] == "tags"
    assert load_file(out / "tags.safetensors").keys() == {"", "harbour seal", *load_vocabulary().tags}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tag-list", "tags.txt"], "has no text encoder"),
        (["--tag-list", "none.txt"], "cannot read none.txt"),
        (["--text-encoder", "nowhere"], "no text encoder at nowhere"),
    ],
)
def test_tags_that_cannot_be_encoded_are_named_and_nothing_written(files, monkeypatch, capsys, options, message):
    monkeypatch.chdir(files)
    (files / "tags.txt").write_text("dog", encoding="utf-8")
    assert run(["convert", "sana.safetensors", "--autoencoder", "dc-ae", "-o", "out", *options]) == 1
    assert message in capsys.readouterr().err
    assert not (files / "out").exists()
