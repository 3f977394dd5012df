import pytest
import torch

from linearsr.tags.vocabulary import load_vocabulary


def test_every_tag_has_an_embedding_a_threshold_and_a_class():
    words = load_vocabulary()
    assert len(set(words.tags)) == len(words.tags) == len(words.embeddings) == len(words.thresholds)
    assert set(words.tag_of_class.tolist()) == set(range(len(words.tags)))
    assert torch.allclose(words.embeddings.norm(dim=1), torch.ones(len(words.tags)))
    assert bool(((words.thresholds > 0) & (words.thresholds < 1)).all())


@pytest.mark.parametrize(("word", "tag"), [("dog", "dog"), ("golden retriever", "dog"), ("bolete", "mushroom")])
def test_breeds_and_species_are_plain_words(word, tag):
    words = load_vocabulary()
    assert words.tags[words.index(word)] == tag


def test_an_unknown_word_has_no_place_but_neighbours():
    words = load_vocabulary()
    assert words.index("elefant") is None
    assert "elephant" in words.near("elefant")
    assert words.near("\N{CAT}") == []


def test_related_tags_lie_nearer_than_unrelated_ones():
    words = load_vocabulary()
    dog, wolf, spoon = (words.embeddings[words.index(word)] for word in ("dog", "wolf", "wooden spoon"))
    assert dog @ wolf > dog @ spoon
