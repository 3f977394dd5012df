import pytest
from recipes_folder import load_recipe

recipe = load_recipe("tag_vocabulary")

DATA = """\
  1 This is the licence, which is not data.
00000001 05 n 02 animal 0 creature 0 000 | it lives
00000002 05 n 02 dog 0 domestic_dog 0 001 @ 00000001 n 0000 | it barks
00000003 05 n 01 hound 0 001 @ 00000002 n 0000 | it hunts
00000004 05 n 02 basset 0 basset_hound 0 002 @ 00000003 n 0000 ~ 00000009 n 0000 | it is long
00000005 05 n 02 tusker 0 basset 0 001 @ 00000001 n 0000 | it has tusks
00000006 06 n 01 iron_lung 0 001 @i 00000001 n 0000 | it breathes
"""


@pytest.fixture
def nouns():
    return recipe.read_nouns(DATA)


def test_synsets_are_read_with_their_words_and_hypernyms(nouns):
    assert len(nouns) == 6
    assert nouns["n00000004"] == recipe.Synset(words=("basset", "basset hound"), hypernyms=("n00000003",))
    assert nouns["n00000006"].hypernyms == ("n00000001",)


@pytest.mark.parametrize(
    ("name", "word"),
    [("n00000004", "dog"), ("n00000002", "dog"), ("n00000005", "elephant"), ("n00000006", "iron lung")],
)
def test_a_class_is_its_nearest_plain_word_or_its_own(nouns, name, word):
    assert recipe.plain_word(name, nouns) == word


def test_synonyms_lead_to_one_tag_and_ambiguous_words_are_left_out(nouns):
    found = recipe.synonyms(["n00000004", "n00000002", "n00000005"], nouns)
    assert found == {"basset hound": "dog", "domestic dog": "dog", "tusker": "elephant"}
