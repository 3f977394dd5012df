"""From checkpoints to a model folder, and what is refused. A stand-in geometry keeps the files small."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("diffusers")

from sana_weights import SMALL, diffusers_sana, original_layout
from small_dc_ae import SMALL_F32C4
from small_gemma import write_small_gemma

from linearsr.convert import Conversion, convert, read_transformer
from linearsr.dc_ae import dc_ae
from linearsr.errors import InputError, ModelError
from linearsr.hub import load_model
from linearsr.models.sana import NULL_CAPTION, import_sana
from linearsr.pipeline import SRPipeline
from linearsr.tags.gemma import load_gemma

DC_AE = {
    **SMALL_F32C4,
    "latent_channels": 32,
    "encoder_block_out_channels": (8, 8, 8, 8, 8, 32),
    "decoder_block_out_channels": (8, 8, 8, 8, 8, 32),
}
"""Latents of 32 channels, as SANA's."""


@pytest.fixture(autouse=True)
def _small_geometry(monkeypatch):
    monkeypatch.setattr("linearsr.convert.sana_geometry", lambda weights: SMALL)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Four checkpoints: two in diffusers' layout, two in SANA's own."""
    folder = tmp_path_factory.mktemp("sana")
    paths = [folder / name for name in ("1.safetensors", "2.safetensors", "3.pth", "4.pth")]
    for seed, path in enumerate(paths):
        weights = diffusers_sana(SMALL, seed).state_dict()
        if path.suffix == ".pth":
            torch.save({"state_dict": original_layout(weights)}, path)
        else:
            save_file(weights, path)
    return paths


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    from diffusers import AutoencoderDC

    folder = tmp_path_factory.mktemp("dc-ae")
    AutoencoderDC(**DC_AE).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("count", [1, 4])
def test_folder_holds_the_experts_in_order(checkpoints, autoencoder, tmp_path, count):
    output = tmp_path / "model"
    convert(Conversion(sources=checkpoints[:count], autoencoder=autoencoder, output=output))
    loaded = load_model(output)
    for seed, expert in enumerate(loaded.experts.experts):
        expected = import_sana(diffusers_sana(SMALL, seed if count == 4 else 0).state_dict(), SMALL)
        for name in ("blocks.1.ffn.expand.weight", "patch_in.weight", "guidance.norm.weight"):
            assert torch.equal(expert.state_dict()[name], expected.state_dict()[name])


def test_folder_upscales(checkpoints, autoencoder, tmp_path):
    convert(Conversion(sources=checkpoints[:1], autoencoder=autoencoder, output=tmp_path / "model"))
    pipeline = SRPipeline.from_pretrained(tmp_path / "model", device="cpu")
    (image,) = pipeline(torch.rand(3, 16, 24), output_type="pt").images
    assert image.shape == (3, 64, 96)


def test_experts_are_four_or_one_for_all(checkpoints, autoencoder, tmp_path):
    with pytest.raises(InputError, match="2 checkpoints for 4 experts; name 1 for all, or 4"):
        Conversion(sources=checkpoints[:2], autoencoder=autoencoder, output=tmp_path)


def test_checkpoints_of_different_geometry_are_refused(checkpoints, autoencoder, tmp_path, monkeypatch):
    depths = iter((2, 1, 2, 2))
    monkeypatch.setattr("linearsr.convert.fitting_geometry", lambda source: replace(SMALL, depth=next(depths)))
    with pytest.raises(InputError, match="differ in geometry"):
        convert(Conversion(sources=checkpoints, autoencoder=autoencoder, output=tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_a_bad_last_checkpoint_is_found_before_anything_is_written(checkpoints, autoencoder, tmp_path):
    bad = tmp_path / "bad.safetensors"
    save_file(diffusers_sana(SMALL).state_dict() | {"extra.weight": torch.zeros(1)}, bad)
    with pytest.raises(ModelError, match=r"left over: extra\.weight"):
        convert(Conversion(sources=[*checkpoints[:3], bad], autoencoder=autoencoder, output=tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_one_checkpoint_for_all_is_stored_once(checkpoints, autoencoder, tmp_path):
    convert(Conversion(sources=checkpoints[:1], autoencoder=autoencoder, output=tmp_path / "model"))
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    assert index["expert_files"] == ["experts-1"] * 4


def test_leftovers_are_named_with_the_file(tmp_path):
    weights = diffusers_sana(SMALL).state_dict() | {"extra.weight": torch.zeros(1)}
    save_file(weights, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=r"these weights do not fit: left over: extra\.weight") as caught:
        read_transformer(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


def test_positional_embedding_is_refused(tmp_path):
    save_file(diffusers_sana(SMALL).state_dict(), tmp_path / "x.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"interpolation_scale": 1.0}))
    with pytest.raises(InputError, match="positional embedding"):
        read_transformer(tmp_path)


def test_index_tells_a_dc_ae_from_our_own(autoencoder, checkpoints, tmp_path):
    convert(Conversion(sources=checkpoints[:1], autoencoder=autoencoder, output=tmp_path / "model"))
    config = load_model(tmp_path / "model").autoencoder.config
    assert config.scaling == dc_ae(DC_AE).config.scaling == 0.41407


def test_a_text_encoder_gives_tokens_of_tags_and_the_null_token_that_checkpoints_lack(
    checkpoints, autoencoder, gemma, tmp_path
):
    conversion = Conversion(
        sources=checkpoints,
        autoencoder=autoencoder,
        output=tmp_path / "model",
        text_encoder=str(gemma),
        storage="float32",
    )
    convert(conversion)
    loaded, encoder = load_model(tmp_path / "model"), load_gemma(gemma)
    assert torch.equal(loaded.tag_table.tags(["dog", "wooden spoon"]), encoder.tags(["dog", "wooden spoon"]))
    assert loaded.experts.transformer_config.guidance == "tags"
    nothing = encoder.caption("")
    assert all(torch.equal(expert.guidance.null_token, nothing) for expert in loaded.experts.experts[:2])


def test_the_null_token_of_a_checkpoint_is_kept(gemma, tmp_path):
    own = torch.randn(300, SMALL.guidance_width)
    save_file(diffusers_sana(SMALL).state_dict() | {NULL_CAPTION: own}, tmp_path / "x.safetensors")
    read = read_transformer(tmp_path, load_gemma(gemma).table(["dog"]))
    assert torch.equal(read.guidance.null_token[0, 0], own[0])


def test_a_text_encoder_of_another_width_is_refused(checkpoints, autoencoder, tmp_path):
    pytest.importorskip("transformers")
    write_small_gemma(tmp_path / "wide", width=32)
    conversion = Conversion(
        sources=checkpoints[:1], autoencoder=autoencoder, output=tmp_path / "x", text_encoder=str(tmp_path / "wide")
    )
    with pytest.raises(InputError, match="states of width 32, not 24"):
        convert(conversion)
    assert not (tmp_path / "x").exists()
