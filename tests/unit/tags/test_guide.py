from dataclasses import replace

import pytest
import torch
from small_models import TRANSFORMER, photo

from linearsr.errors import InputError
from linearsr.imaging.picture import Picture
from linearsr.request import UpscaleRequest
from linearsr.tags.guide import GuidanceWarning, choose_tags, guide
from linearsr.tags.table import TagTable
from linearsr.tags.tagger import Tag
from linearsr.tags.text import load_text_encoder

PICTURE = Picture(color=photo(9, 9))
TRAINED = replace(TRANSFORMER, guidance="tags", guidance_width=384)
UNTRAINED = replace(TRANSFORMER, guidance_width=384)


class Zebras:
    def tag(self, image):
        return (Tag("zebra", 0.9),)


def test_auto_asks_the_tagger_only_for_a_model_trained_with_tags():
    request = UpscaleRequest(tags="auto")
    assert choose_tags(PICTURE, request, TRAINED, Zebras()) == ("zebra",)
    assert choose_tags(PICTURE, request, UNTRAINED, Zebras()) == ()


def test_none_and_given_tags_do_not_ask_it():
    assert choose_tags(PICTURE, UpscaleRequest(tags="none"), TRAINED, Zebras()) == ()
    assert choose_tags(PICTURE, UpscaleRequest(tags=("Dog", "dog ")), UNTRAINED, Zebras()) == ("dog",)


def test_the_embedded_tagger_is_the_default():
    assert all(isinstance(tag, str) for tag in choose_tags(PICTURE, UpscaleRequest(), TRAINED))


def test_a_scale_that_has_nothing_to_follow_warns():
    with pytest.warns(GuidanceWarning, match="none to follow"):
        choose_tags(PICTURE, UpscaleRequest(guidance_scale=2.0), UNTRAINED)


def test_tags_become_tokens_and_no_tags_become_none():
    assert guide((), (), UNTRAINED) == (None, None)
    wanted, negative = guide(("dog", "cat"), (" Wolf",), TRAINED)
    assert wanted.shape == (1, 2, 384)
    assert torch.equal(negative, guide(("wolf",), (), TRAINED).wanted)


def test_tags_for_a_model_that_never_saw_any_warn():
    with pytest.warns(GuidanceWarning, match="not trained with tags"):
        guide(("dog",), (), UNTRAINED)


def test_a_caption_leaves_the_tagger_alone_and_becomes_its_own_tokens(text_encoder):
    request = UpscaleRequest(caption="a dog of glass", guidance_scale=2)
    assert choose_tags(PICTURE, request, TRAINED, Zebras()) == ()
    assert choose_tags(PICTURE, request, UNTRAINED) == ()
    wanted, negative = guide((), ("dog",), TRAINED, caption=request.caption)
    assert torch.equal(wanted, load_text_encoder().states("a dog of glass"))
    assert torch.equal(negative, guide(("dog",), (), TRAINED).wanted)


def test_a_caption_for_a_model_that_never_saw_text_warns(text_encoder):
    with pytest.warns(GuidanceWarning, match="not trained with text"):
        guide((), (), UNTRAINED, caption="a dog")


def test_tags_become_tokens_of_the_encoder_that_is_named():
    table = TagTable(states={"": torch.zeros(1, 8), "dog": torch.ones(2, 8)})
    tokens = guide(("dog",), (), replace(TRANSFORMER, guidance="tags"), table).wanted
    assert torch.equal(tokens, table.tags(["dog"]))


def test_tokens_of_another_width_are_refused():
    with pytest.raises(InputError, match="width 8, tags have 384"):
        guide(("dog",), (), TRANSFORMER)
