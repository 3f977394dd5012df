import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearsr.errors import ConfigError
from linearsr.tags.words import MAX_CHARACTERS, MAX_TAGS, clean_tags, parse_tags


def test_auto_and_none_are_kept_and_anything_else_is_words():
    assert parse_tags("auto") == "auto"
    assert parse_tags("none") == "none"
    assert parse_tags(" Dog,wooden   spoon ,dog") == ("dog", "wooden spoon")


def test_unicode_words_are_one_word_however_they_are_written():
    assert clean_tags(["CAFE\u0301", "caf\u00e9", "\uff23\uff41\uff54", "猫"]) == ("café", "cat", "猫")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([""], "empty"),
        (["dog", "  "], "empty"),
        (["do\0g"], "cannot be seen"),
        (["do\u202eg"], "cannot be seen"),
        (["\x1b[31mdog"], "cannot be seen"),
        (["d" * (MAX_CHARACTERS + 1)], f"more than {MAX_CHARACTERS}"),
        ([f"tag {number}" for number in range(500)], f"500 tags are more than {MAX_TAGS}"),
        ("dog", "must be words"),
        ([3], "must be words"),
    ],
)
def test_unusable_tags_are_one_clear_error(tags, said):
    with pytest.raises(ConfigError, match=said):
        clean_tags(tags)


@pytest.mark.parametrize("text", ["", ",", "dog,", "none,dog\n\x07"])
def test_unusable_text_is_one_clear_error(text):
    with pytest.raises(ConfigError):
        parse_tags(text)


@given(st.text(max_size=400))
def test_any_text_is_clean_tags_or_a_config_error(text):
    try:
        tags = parse_tags(text)
    except ConfigError:
        return
    assert tags in ("auto", "none") or (tags == clean_tags(tags) and all(tag.isprintable() for tag in tags))
