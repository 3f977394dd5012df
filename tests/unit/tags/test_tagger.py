from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import photo
from torch import nn

from linearsr.imaging.picture import Picture
from linearsr.tags.tagger import MOST, EmbeddedTagger, NoTagger, load_tagger, seen_by_tagger
from linearsr.tags.vocabulary import load_vocabulary


class Sure(nn.Module):
    """Gives the same logits to every image."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        return self.logits.expand(len(image), -1)


def logits_of(probabilities):
    """Logits that give the first class of each tag that probability."""
    words = load_vocabulary()
    rest = (1 - sum(probabilities.values())) / (1000 - len(probabilities))
    shares = torch.full((1, 1000), rest)
    for tag, share in probabilities.items():
        shares[0, int((words.tag_of_class == words.index(tag)).nonzero()[0])] = share
    return shares.log()


def tags_of(probabilities, thresholds):
    words = load_vocabulary()
    own = torch.tensor([thresholds.get(tag, 0.5) for tag in words.tags])
    tagger = EmbeddedTagger(Sure(logits_of(probabilities)), replace(words, thresholds=own))
    found = tagger.tag(torch.zeros(1, 3, 8, 8))
    return [tag.name for tag in found]


def test_sure_tags_are_named_the_surest_first_and_unsure_ones_are_not():
    assert tags_of({"piano": 0.3, "zebra": 0.6}, {"piano": 0.1}) == ["zebra", "piano"]
    assert tags_of({"piano": 0.3, "zebra": 0.6}, {}) == ["zebra"]
    assert tags_of({}, {}) == []


def test_thresholds_are_each_tags_own():
    assert tags_of({"umbrella": 0.06, "zebra": 0.4}, {"umbrella": 0.05}) == ["umbrella"]


def test_a_photo_has_a_handful_of_tags_at_most():
    many = dict.fromkeys(load_vocabulary().tags[:9], 0.1)
    assert len(tags_of(many, many)) == MOST


def test_no_tagger_finds_nothing():
    assert NoTagger().tag(torch.zeros(1, 3, 8, 8)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5000), (40, 30)])
def test_the_embedded_tagger_takes_any_size_and_says_the_same_every_time(shape):
    seen = seen_by_tagger(Picture(color=photo(*shape)))
    assert load_tagger().tag(seen) == load_tagger().tag(seen)


def test_grey_16_bit_and_huge_pictures_are_seen_alike():
    pixels = photo(60, 50)
    gray = pixels[..., :1]
    eight, sixteen = (seen_by_tagger(Picture(color=color)) for color in (gray, gray.astype(np.uint16) * 257))
    assert torch.allclose(eight, sixteen)
    assert torch.equal(eight[:, 0], eight[:, 2])
    huge = np.kron(pixels, np.ones((20, 20, 1), np.uint8))
    assert seen_by_tagger(Picture(color=huge)).shape == (1, 3, 600, 500)
    assert seen_by_tagger(Picture(color=pixels)).shape == (1, 3, 60, 50)
