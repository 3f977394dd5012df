"""The words the package knows, with their embeddings: no text encoder is needed for them."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from linearsr.packing import unpack

FOLDER = Path(str(files("linearsr") / "weights" / "tagger"))


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Plain object words and what belongs to each.

    ``synonyms`` maps other words, breeds and species among them, to a tag. ``embeddings`` are (T, 384) of length 1,
    ``thresholds`` (T,) the probability from which the tagger names a tag, ``tag_of_class`` (1000,) the tag of each
    class of its network.
    """

    tags: tuple[str, ...]
    synonyms: dict[str, str]
    embeddings: Tensor
    thresholds: Tensor
    tag_of_class: Tensor

    def index(self, word: str) -> int | None:
        """Return the place of a tag, or of the tag that a word stands for; None if it is not known."""
        tag = self.synonyms.get(word, word)
        return self.tags.index(tag) if tag in self.tags else None

    def near(self, word: str) -> list[str]:
        """Return up to three known words that are spelled alike."""
        return difflib.get_close_matches(word, [*self.tags, *self.synonyms], n=3)


@lru_cache(maxsize=1)
def load_vocabulary() -> Vocabulary:
    """Read the vocabulary that is inside the package."""
    words = json.loads((FOLDER / "tags.json").read_text(encoding="utf-8"))
    tensors = unpack(load_file(FOLDER / "tags.safetensors"))
    return Vocabulary(
        tags=tuple(words["tags"]),
        synonyms=words["synonyms"],
        embeddings=torch.nn.functional.normalize(tensors["embeddings"], dim=-1),
        thresholds=tensors["thresholds"],
        tag_of_class=tensors["tag_of_class"].long(),
    )
