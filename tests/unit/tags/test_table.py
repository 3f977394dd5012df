import pytest
import torch
from small_models import randn

from linearsr.errors import InputError
from linearsr.tags.table import TagTable

STATES = {"": randn(1, 6), "dog": randn(1, 6, seed=1), "wooden spoon": randn(2, 6, seed=2)}
TABLE = TagTable(states=STATES)


def test_tags_follow_the_token_that_every_text_begins_with():
    assert torch.equal(
        TABLE.tags(["wooden spoon", "dog"]), torch.cat([STATES[w] for w in ("", "wooden spoon", "dog")])[None]
    )
    assert TABLE.width == 6


def test_a_word_that_stands_for_a_tag_is_known_unless_the_table_has_it():
    assert torch.equal(TABLE.tags(["pug"]), TABLE.tags(["dog"]))
    own = TagTable(states=STATES | {"pug": randn(1, 6, seed=3)})
    assert not torch.equal(own.tags(["pug"]), own.tags(["dog"]))


@pytest.mark.parametrize(("tag", "near"), [("wooden spoons", r" \(near it are wooden spoon\)"), ("xyz", "")])
def test_an_unknown_tag_is_named_with_those_near_it(tag, near):
    with pytest.raises(InputError, match=rf"'{tag}' is not among the 2 of the model{near}; choose another"):
        TABLE.tags(["dog", tag])


def test_free_text_needs_the_encoder_itself():
    with pytest.raises(InputError, match="needs the text encoder"):
        TABLE.caption("a dog of glass")


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({"dog": randn(1, 6)}, "under the empty name"),
        ({"": randn(1, 6), "dog": randn(1, 5)}, r"'dog' has states \(1, 5\), not \(L, 6\)"),
        ({"": randn(1, 6), "dog": randn(6)}, r"'dog' has states \(6,\)"),
    ],
)
def test_states_that_are_no_table_are_refused(states, message):
    with pytest.raises(ValueError, match=message):
        TagTable(states=states)
