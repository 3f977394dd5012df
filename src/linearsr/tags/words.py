"""Tags as people write them. Needs no torch."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

from linearsr.errors import ConfigError

MAX_TAGS = 32
MAX_CHARACTERS = 64
TagSource = Literal["auto", "none"]
TagChoice = TagSource | tuple[str, ...]
"""Tags of the photo's own, where the model knows what to do with them; no tags; or the ones given."""


def parse_tags(text: str) -> TagChoice:
    """Read "auto", "none" or tags with commas between them.

    Raises:
        ConfigError: if a tag is empty or unusable, or there are too many.
    """
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    return clean_tags(text.split(","))


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags in lower case with single spaces, each once.

    Raises:
        ConfigError: if a tag is empty or unusable, or there are too many.
    """
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise ConfigError(f"tags must be words, not {tags}", remedy='use "auto", "none" or a list of words')
    if len(tags) > MAX_TAGS:
        raise ConfigError(f"{len(tags)} tags are more than {MAX_TAGS}", remedy="name what is most of the photo")
    return tuple(dict.fromkeys(clean_tag(tag) for tag in tags))


def clean_tag(tag: str) -> str:
    """Return a tag in lower case with single spaces.

    Raises:
        ConfigError: if it is empty or unusable.
    """
    if len(tag) > MAX_CHARACTERS:
        raise ConfigError(
            f"the tag {tag[:MAX_CHARACTERS]!r}... has {len(tag)} characters, more than {MAX_CHARACTERS}",
            remedy="use a word or two",
        )
    cleaned = " ".join(unicodedata.normalize("NFKC", tag).lower().split())
    if not cleaned:
        raise ConfigError(f"the tag {tag!r} is empty", remedy="leave it out, or use none for no tags")
    if any(unicodedata.category(character).startswith("C") for character in cleaned):
        raise ConfigError(f"the tag {tag!r} has characters that cannot be seen", remedy="use plain words")
    return cleaned
