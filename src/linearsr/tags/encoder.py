"""What turns words into guidance tokens; which one a model needs depends on what it was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class WordEncoder(Protocol):
    """Words to guidance tokens of one width, G."""

    @property
    def width(self) -> int:
        """G."""
        ...

    def tags(self, tags: Sequence[str]) -> Tensor:
        """Return the tokens (1, L, G) of at least one clean tag.

        Raises:
            InputError: if a tag is not known.
        """
        ...

    def caption(self, text: str) -> Tensor:
        """Return the tokens (1, L, G) of one free text.

        Raises:
            InputError: if only tags can be encoded.
        """
        ...
