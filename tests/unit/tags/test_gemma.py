"""Gemma-2 as SANA reads text with it: a real one of random weights beside the pipeline of diffusers."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from small_models import randn

pytest.importorskip("transformers")
pytest.importorskip("diffusers")

from safetensors.torch import load_file, save_file
from sana_weights import SMALL, diffusers_sana
from small_gemma import WIDTH, write_small_gemma

from linearsr.errors import InputError, ModelError
from linearsr.models.sana import import_sana
from linearsr.tags.gemma import MAX_TOKENS, Gemma, load_gemma

INSTRUCTION = ("Write what is seen.", "Keep it short.", "Text: ")
LONG = "a dog of glass and wood, " * 60


def parts(folder):
    from transformers import AutoTokenizer, Gemma2Model

    return Gemma2Model.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def encoded_by_sana(folder, text, instruction):
    """Padded states (1, 300, G) and their mask (1, 300), as the pipeline of diffusers makes them."""
    from diffusers import SanaPipeline

    network, tokenizer = parts(folder)
    pipeline = SanaPipeline(tokenizer, network, None, None, None)
    with torch.no_grad():
        states, mask, _, _ = pipeline.encode_prompt(
            text, do_classifier_free_guidance=False, device="cpu", complex_human_instruction=list(instruction)
        )
    assert states.shape == (1, MAX_TOKENS, WIDTH)
    return states, mask


@pytest.mark.parametrize("text", ["A Dog of glass. ", "", LONG], ids=["short", "empty", "long"])
@pytest.mark.parametrize("instruction", [(), INSTRUCTION], ids=["plain", "instructed"])
def test_captions_are_those_of_sana_without_their_padding(gemma, text, instruction):
    states, mask = encoded_by_sana(gemma, text, instruction)
    ours = Gemma(*parts(gemma), "\n".join(instruction)).caption(text)
    assert ours.std() > 0.1
    torch.testing.assert_close(ours[0], states[mask.bool()], rtol=0, atol=5e-6)


@torch.no_grad()
def test_padding_makes_no_difference_to_the_transformer(gemma):
    states, mask = encoded_by_sana(gemma, "a dog of glass", ())
    theirs = diffusers_sana(SMALL)
    ours = import_sana(theirs.state_dict(), SMALL)
    z, t = randn(1, 32, 6, 5), torch.tensor([0.4])
    expected = theirs(z, states, 1000 * t, encoder_attention_mask=mask, return_dict=False)[0]
    guided = ours(z, t, torch.zeros(1, 3, 48, 40), load_gemma(gemma).caption("a dog of glass"))
    torch.testing.assert_close(guided, expected, rtol=0, atol=1e-4)
    assert (guided - ours(z, t, torch.zeros(1, 3, 48, 40), load_gemma(gemma).caption("the cat"))).abs().max() > 1e-3


def test_tags_are_encoded_one_by_one_and_equal_their_table(gemma):
    encoder = load_gemma(gemma)
    spoon = encoder.caption("wooden spoon")
    torch.testing.assert_close(encoder.tags(["wooden spoon"]), spoon, rtol=0, atol=1e-5)
    both = encoder.tags(["dog", "wooden spoon"])
    assert torch.equal(both[:, -spoon.shape[1] + 1 :], spoon[:, 1:])
    assert torch.equal(both, encoder.table(["wooden spoon", "dog", "cat"]).tags(["dog", "wooden spoon"]))
    assert not both.requires_grad
    assert encoder.width == WIDTH


def test_a_sana_folder_of_diffusers_holds_network_and_tokenizer_apart(gemma, tmp_path):
    for name in ("text_encoder", "tokenizer"):
        (tmp_path / name).mkdir()
    for path in gemma.iterdir():
        part = "tokenizer" if "token" in path.name else "text_encoder"
        (tmp_path / part / path.name).write_bytes(path.read_bytes())
    assert torch.equal(load_gemma(tmp_path).caption("a dog"), load_gemma(gemma).caption("a dog"))


def test_the_network_keeps_the_precision_it_was_saved_in_and_states_are_float32(gemma, tmp_path):
    network, tokenizer = parts(gemma)
    network.bfloat16().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    states = load_gemma(tmp_path).caption("a dog")
    assert states.dtype == torch.float32
    assert torch.equal(states, states.bfloat16().float())
    assert torch.nn.functional.cosine_similarity(states, load_gemma(gemma).caption("a dog"), dim=-1).min() > 0.95


def test_what_is_no_folder_and_no_hub_id_is_refused(tmp_path):
    with pytest.raises(InputError, match="no text encoder at"):
        load_gemma(tmp_path / "none")


def test_a_folder_without_gemma_is_named(tmp_path):
    with pytest.raises(ModelError, match="is no Gemma-2"):
        load_gemma(tmp_path)


def test_missing_weights_are_not_made_up(gemma, tmp_path):
    copy_of(gemma, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layers.1.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj\.weight is missing"):
        load_gemma(tmp_path)


def test_pickled_weights_are_refused(gemma, tmp_path):
    copy_of(gemma, tmp_path)
    path = tmp_path / "model.safetensors"
    torch.save(load_file(path), tmp_path / "pytorch_model.bin")
    path.unlink()
    with pytest.raises(ModelError, match="is no Gemma-2"):
        load_gemma(tmp_path)


def test_code_beside_the_weights_is_not_run(gemma, tmp_path):
    copy_of(gemma, tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Evil", "AutoTokenizer": "evil.Evil"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_gemma(tmp_path).width == WIDTH
    assert not (tmp_path / "canary").exists()


def test_a_tokenizer_whose_texts_begin_with_nothing_is_refused(tmp_path):
    write_small_gemma(tmp_path, starts=False)
    with pytest.raises(ModelError, match="no token to begin with"):
        load_gemma(tmp_path)


def test_without_transformers_it_says_what_to_install(gemma, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'linearsr\[gemma\]'"):
        load_gemma(gemma)


def copy_of(source, target):
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
