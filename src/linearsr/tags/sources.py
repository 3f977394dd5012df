"""Guidance of every kind, from pictures: what the kinds are compared with, and what training gives the transformer.

    tags       a handful of tags, one token each; those of a large text encoder (table.py) a few each
    caption    the token states of one long sentence with every word that is at all likely
    features   the tagger's own feature map, 49 tokens, through a fixed random projection to the width of the others

Tokens have length 1, but for those of a large text encoder; (B, L) says which of them count: pictures differ in their
number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.models.efficientnet import FEATURES
from linearsr.models.minilm import WIDTH
from linearsr.models.transformer import GuidanceKind
from linearsr.tags.encoder import WordEncoder
from linearsr.tags.tagger import load_tagger
from linearsr.tags.text import PACKAGE_WORDS, load_text_encoder
from linearsr.tags.vocabulary import load_vocabulary

GuidanceSource = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pictures (B, 3, H, W) in [0, 1] -> tokens (B, L, G) and which of them count (B, L)."""
CAPTION_FLOOR = 0.01
"""Probability from which a word gets into the caption."""


def guidance_source(kind: GuidanceKind, words: WordEncoder = PACKAGE_WORDS) -> GuidanceSource | None:
    """Return what makes guidance of a kind; None for none. Tags become tokens of ``words``.

    Raises:
        InputError: if captions are asked for and there is no text encoder.
    """
    if kind == "caption":
        load_text_encoder()
    sources: dict[GuidanceKind, GuidanceSource | None] = {
        "none": None,
        "caption": caption_tokens,
        "features": feature_tokens,
        # The function itself where it will do: an ablation tells its uses of one model apart by name.
        "tags": tag_tokens if words is PACKAGE_WORDS else partial(tag_tokens, words=words),
    }
    return sources[kind]


def tag_tokens(images: Tensor, words: WordEncoder = PACKAGE_WORDS) -> tuple[Tensor, Tensor]:
    """The tags that the tagger names in each picture."""
    found = [[tag.name for tag in load_tagger().tag(image[None].cpu())] for image in images]
    return _padded([words.tags(tags)[0] if tags else torch.zeros(0, words.width) for tags in found], images)


def wrong_tag_tokens(images: Tensor) -> tuple[Tensor, Tensor]:
    """As many tags as are named in each picture, at least one, but the least likely."""
    words, tagger = load_vocabulary(), load_tagger()
    counts = [max(1, len(tagger.tag(image[None].cpu()))) for image in images]
    least = tagger.scores(images.cpu()).argsort(dim=1)
    return _padded([words.embeddings[row[:n]] for row, n in zip(least, counts, strict=True)], images)


def caption_tokens(images: Tensor) -> tuple[Tensor, Tensor]:
    """A sentence for each picture."""
    encoder = load_text_encoder()
    return _padded([encoder.states(caption(scores))[0] for scores in load_tagger().scores(images.cpu())], images)


def caption(scores: Tensor) -> str:
    """Write the probabilities (T,) of all tags as one long sentence, the likeliest first."""
    order = scores.argsort(descending=True).tolist()
    words = [load_vocabulary().tags[place] for place in order if scores[place] >= CAPTION_FLOOR]
    return f"A sharp photograph with fine detail and natural colours that shows {', '.join(words)}."


def feature_tokens(images: Tensor) -> tuple[Tensor, Tensor]:
    """Every cell of the tagger's last feature map."""
    maps = load_tagger().feature_map(images.cpu()).flatten(2).transpose(1, 2)
    # Distances survive a random projection; drawn from a fixed seed, it needs no file and no training.
    projection = torch.randn(FEATURES, WIDTH, generator=torch.Generator().manual_seed(0))
    return _padded(list(F.normalize(maps @ projection, dim=-1)), images)


def _padded(tokens: Sequence[Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (L, G) of each picture, L differing -> (B, L, G) and (B, L) on the pictures' device."""
    longest = max(1, *(len(rows) for rows in tokens))
    stacked = torch.stack([F.pad(rows, (0, 0, 0, longest - len(rows))) for rows in tokens])
    mask = torch.arange(longest) < torch.tensor([len(rows) for rows in tokens])[:, None]
    return stacked.to(images.device), mask.to(images.device)
