"""What the transformer is told about a picture: tags chosen, and turned into guidance tokens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from linearsr.errors import InputError
from linearsr.imaging.picture import Picture
from linearsr.models.transformer import TransformerConfig
from linearsr.request import UpscaleRequest
from linearsr.tags.encoder import WordEncoder
from linearsr.tags.tagger import Tagger, load_tagger, seen_by_tagger
from linearsr.tags.text import PACKAGE_WORDS
from linearsr.tags.words import clean_tags


class GuidanceWarning(UserWarning):
    """Tags were asked for that the model has not been trained to understand."""


class Guidance(NamedTuple):
    """Tokens (1, L, G) to go towards and to go away from; None is the learned null token, which means no tags."""

    wanted: Tensor | None = None
    negative: Tensor | None = None


def choose_tags(
    picture: Picture, request: UpscaleRequest, config: TransformerConfig, tagger: Tagger | None = None
) -> tuple[str, ...]:
    """Return the tags to upscale a picture with: those given, or the photo's own for a model trained with tags.

    ``tagger`` is by default the one inside the package.
    """
    if request.tags == "none" or request.caption is not None:
        return ()
    if request.tags == "auto" and config.guidance != "tags":
        if request.guidance_scale > 1 and not request.negative_tags:
            warnings.warn("the model was not trained with tags: there are none to follow", GuidanceWarning, 2)
        return ()
    if request.tags == "auto":
        return tuple(tag.name for tag in (tagger or load_tagger()).tag(seen_by_tagger(picture)))
    return clean_tags(request.tags)


def guide(
    tags: Sequence[str],
    negative_tags: Sequence[str],
    config: TransformerConfig,
    words: WordEncoder = PACKAGE_WORDS,
    caption: str | None = None,
) -> Guidance:
    """Return the tokens of clean tags, or of a caption, for a transformer of that configuration.

    Raises:
        InputError: if a tag is unknown, or the transformer takes tokens of another text encoder than ``words``.
    """
    if not tags and not negative_tags and caption is None:
        return Guidance()
    if config.guidance_width != words.width:
        raise InputError(
            f"the model takes guidance tokens of width {config.guidance_width}, tags have {words.width}",
            remedy="use no tags with this model, or name the text encoder it was trained with",
        )
    if caption is not None and config.guidance in ("none", "features"):
        warnings.warn("the model was not trained with text: it changes the result at random", GuidanceWarning, 2)
    if caption is None and config.guidance != "tags":
        warnings.warn("the model was not trained with tags: they change the result at random", GuidanceWarning, 2)
    wanted = words.caption(caption) if caption is not None else _tokens(tags, words)
    return Guidance(wanted, _tokens(negative_tags, words))


def _tokens(tags: Sequence[str], words: WordEncoder) -> Tensor | None:
    return words.tags(clean_tags(tags)) if tags else None
