"""Tags whose tokens a large text encoder has made once: from then on they need no language model.

A table is what lies in its safetensors file, a tensor for each word:

    ""      (1, G)    the state of the token that every text begins with
    WORD    (L, G)    the states of the word's own tokens, encoded by itself

In a causal encoder the first token cannot know what follows, so its state is the same for all texts and kept once.
Legend: G the width of the states, L the tokens of a word, mostly one or two.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from linearsr.errors import InputError
from linearsr.tags.vocabulary import load_vocabulary

START = ""
"""The text without words."""


@dataclass(frozen=True, kw_only=True)
class TagTable:
    """Encodes the tags that it has, and words that stand for one of them."""

    states: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        if START not in self.states:
            raise ValueError("a table of tags needs the state of the text without words, under the empty name")
        for word, rows in self.states.items():
            if rows.ndim != 2 or rows.shape[1] != self.width:
                raise ValueError(f"the tag {word!r} has states {tuple(rows.shape)}, not (L, {self.width})")

    @property
    def width(self) -> int:
        """Width of the states."""
        return self.states[START].shape[-1]

    def tags(self, tags: Sequence[str]) -> Tensor:
        """Return the tokens (1, 1 + L, G) of tags: the first, then each tag's own."""
        return torch.cat([self.states[START], *(self._own(tag) for tag in tags)])[None]

    def caption(self, text: str) -> Tensor:
        """Refuse: a table has no free text."""
        raise InputError(
            "a caption needs the text encoder that the model was trained with", remedy="name its folder, or use tags"
        )

    def _own(self, tag: str) -> Tensor:
        word = tag if tag in self.states else load_vocabulary().synonyms.get(tag, tag)
        if word in self.states:
            return self.states[word]
        near = difflib.get_close_matches(tag, self.states, n=3)
        known = f" (near it are {', '.join(near)})" if near else ""
        raise InputError(
            f"the tag {tag!r} is not among the {len(self.states) - 1} of the model{known}",
            remedy="choose another, or name the text encoder",
        )
