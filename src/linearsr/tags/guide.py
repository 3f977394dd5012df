"""What the transformer is told about a picture: tags chosen, and turned into guidance tokens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from linearsr.errors import InputError
from linearsr.imaging.picture import Picture
from linearsr.models.minilm import WIDTH
from linearsr.models.transformer import TransformerConfig
from linearsr.request import UpscaleRequest
from linearsr.tags.tagger import Tagger, load_tagger, seen_by_tagger
from linearsr.tags.text import embed_tags
from linearsr.tags.words import clean_tags


class GuidanceWarning(UserWarning):
    """Tags were asked for that the model has not been trained to understand."""


class Guidance(NamedTuple):
    """Tokens (1, L, 384) to go towards and to go away from; None is the learned null token, which means no tags."""

    wanted: Tensor | None = None
    negative: Tensor | None = None


def choose_tags(
    picture: Picture, request: UpscaleRequest, config: TransformerConfig, tagger: Tagger | None = None
) -> tuple[str, ...]:
    """Return the tags to upscale a picture with: those given, or the photo's own for a model trained with tags.

    ``tagger`` is by default the one inside the package.
    """
    if request.tags == "auto" and config.guidance != "tags":
        if request.guidance_scale > 1 and not request.negative_tags:
            warnings.warn("the model was not trained with tags: there are none to follow", GuidanceWarning, 2)
        return ()
    if request.tags == "none":
        return ()
    if request.tags == "auto":
        return tuple(tag.name for tag in (tagger or load_tagger()).tag(seen_by_tagger(picture)))
    return clean_tags(request.tags)


def guide(tags: Sequence[str], negative_tags: Sequence[str], config: TransformerConfig) -> Guidance:
    """Return the tokens of clean tags, for a transformer of that configuration.

    Raises:
        InputError: if a tag is unknown, or the transformer takes tokens of another text encoder.
    """
    if not tags and not negative_tags:
        return Guidance()
    if config.guidance_width != WIDTH:
        raise InputError(
            f"the model takes guidance tokens of width {config.guidance_width}, tags have {WIDTH}",
            remedy="use no tags with this model",
        )
    if config.guidance != "tags":
        warnings.warn("the model was not trained with tags: they change the result at random", GuidanceWarning, 2)
    return Guidance(*(embed_tags(clean_tags(words)) if words else None for words in (tags, negative_tags)))
