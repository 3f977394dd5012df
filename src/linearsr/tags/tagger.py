"""From a photo, degraded as it may be, to a handful of object tags."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor

from linearsr.imaging.picture import Picture, to_unit
from linearsr.models.efficientnet import SIDE, EfficientNetLite0
from linearsr.packing import unpack
from linearsr.tags.classifier import fit_input, tag_probabilities
from linearsr.tags.vocabulary import FOLDER, Vocabulary, load_vocabulary

MOST = 5
"""Tags of one photo: a few that are right guide better than many."""


class Tag(NamedTuple):
    """A word, and how sure the tagger is of it, from 0 to 1."""

    name: str
    score: float


class Tagger(Protocol):
    """What finds tags."""

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        ...

    def tag(self, image: Tensor) -> tuple[Tag, ...]:
        """Return the tags of (1, 3, H, W) RGB in [0, 1], the surest first; none is an answer, too."""
        ...


class NoTagger:
    """Finds nothing."""

    parameters = 0

    def tag(self, image: Tensor) -> tuple[Tag, ...]:
        """No tags."""
        return ()


class EmbeddedTagger:
    """The tagger inside the package: EfficientNet-Lite0, taught to see through degradation, with words of everyday."""

    def __init__(self, network: EfficientNetLite0, vocabulary: Vocabulary) -> None:
        self._network, self._vocabulary = network.eval(), vocabulary
        self.parameters = sum(weight.numel() for weight in network.parameters())

    @torch.inference_mode()
    def tag(self, image: Tensor) -> tuple[Tag, ...]:
        """Up to five tags, each over its own threshold."""
        words = self._vocabulary
        (scores,) = self.scores(image)
        best = torch.argsort(scores, descending=True)[:MOST].tolist()
        return tuple(Tag(words.tags[i], float(scores[i])) for i in best if scores[i] >= words.thresholds[i])

    @torch.inference_mode()
    def scores(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> the probabilities of all tags, (B, T)."""
        words = self._vocabulary
        return tag_probabilities(self._network(fit_input(images)), words.tag_of_class, len(words.tags))

    @torch.inference_mode()
    def feature_map(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, 1280, 7, 7)."""
        return self._network.feature_map(fit_input(images))


@lru_cache(maxsize=1)
def load_tagger() -> EmbeddedTagger:
    """Read the tagger that is inside the package."""
    vocabulary = load_vocabulary()
    network = EfficientNetLite0(len(vocabulary.tag_of_class))
    network.load_state_dict(unpack(load_file(FOLDER / "tagger.safetensors")))
    return EmbeddedTagger(network, vocabulary)


def seen_by_tagger(picture: Picture) -> Tensor:
    """Return a picture as taggers take it, (1, 3, H, W) in [0, 1]; of a large one, every n-th pixel is enough."""
    step = max(1, min(picture.height, picture.width) // (2 * SIDE))
    unit = torch.from_numpy(to_unit(picture.color[::step, ::step]).copy())
    return unit.permute(2, 0, 1)[None].expand(1, 3, -1, -1)
