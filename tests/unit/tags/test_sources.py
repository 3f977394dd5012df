import pytest
import torch
from small_models import photo

from linearsr.errors import InputError
from linearsr.tags import sources, text
from linearsr.tags.sources import caption, guidance_source, tag_tokens, wrong_tag_tokens
from linearsr.tags.table import TagTable
from linearsr.tags.tagger import Tag, load_tagger
from linearsr.tags.vocabulary import load_vocabulary


@pytest.fixture
def images():
    return torch.stack([torch.from_numpy(photo(40, 40, seed)).permute(2, 0, 1) for seed in range(3)]).float() / 255


class Counting:
    """Names as many tags as the picture's first pixel says."""

    def tag(self, image):
        count = round(float(image[0, 0, 0, 0]))
        return tuple(Tag(name, 0.9) for name in load_vocabulary().tags[:count])

    def scores(self, images):
        return torch.linspace(1, 0, len(load_vocabulary().tags)).expand(len(images), -1)


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(sources, "load_tagger", Counting)
    images = torch.zeros(3, 3, 4, 4)
    images[:, 0, 0, 0] = torch.tensor([2.0, 0.0, 1.0])
    return images


def test_pictures_with_more_and_fewer_tags_share_a_batch(counted):
    tokens, mask = tag_tokens(counted)
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
    assert torch.equal(tokens[2, 0], load_vocabulary().embeddings[0])
    assert not tokens[~mask].any()


def test_tags_become_tokens_of_the_encoder_that_is_named(counted):
    words = load_vocabulary().tags[:2]
    table = TagTable(states={"": torch.zeros(1, 5), words[0]: torch.ones(1, 5), words[1]: torch.full((2, 5), 2.0)})
    tokens, mask = guidance_source("tags", table)(counted)
    assert tokens[..., 0].tolist() == [[0, 1, 2, 2], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert mask.sum(1).tolist() == [4, 0, 2]


def test_a_batch_without_any_tag_still_has_a_place(counted):
    tokens, mask = tag_tokens(counted[1:2])
    assert tokens.shape == (1, 1, 384)
    assert mask.tolist() == [[False]]


def test_wrong_tags_are_as_many_but_the_least_likely(counted):
    tokens, mask = wrong_tag_tokens(counted)
    words = load_vocabulary()
    assert mask.sum(1).tolist() == [2, 1, 1]
    assert torch.equal(tokens[0], words.embeddings[[-1, -2]])


@pytest.mark.parametrize("kind", ["caption", "features", "tags"])
def test_tokens_have_the_width_of_guidance_and_length_one(kind, images, text_encoder):
    tokens, mask = guidance_source(kind)(images)
    assert tokens.shape[::2] == (3, 384)
    lengths = tokens.norm(dim=-1)[mask]
    assert torch.allclose(lengths, torch.ones(len(lengths)), atol=1e-5)
    if kind == "features":
        assert tokens.shape[1] == 49
        assert bool(mask.all())


def test_a_caption_names_whatever_is_at_all_likely():
    words = load_vocabulary()
    scores = torch.zeros(len(words.tags))
    scores[words.index("zebra")], scores[words.index("dog")], scores[words.index("cat")] = 0.02, 0.9, 0.009
    assert caption(scores).endswith("that shows dog, zebra.")


def test_features_are_the_same_for_the_same_picture(images):
    first, again = (guidance_source("features")(images)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])


def test_none_needs_no_source_and_captions_an_encoder(monkeypatch):
    assert guidance_source("none") is None
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    text.load_text_encoder.cache_clear()
    with pytest.raises(InputError, match="MiniLM"):
        guidance_source("caption")


def test_the_tagger_takes_batches(images):
    tagger = load_tagger()
    one_by_one = torch.cat([tagger.scores(image[None]) for image in images])
    assert torch.allclose(tagger.scores(images), one_by_one, atol=1e-5)
