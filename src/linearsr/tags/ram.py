"""RAM and RAM++ as taggers, from a folder of the user's: their weights, and the list of their tags.

FOLDER/*.pth or *.safetensors        the published checkpoint, read without running anything in it
FOLDER/ram_tag_list.txt              a tag a line, in their order
FOLDER/ram_tag_list_threshold.txt    a probability a line; without it, 0.68 for every tag
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.errors import InputError, ModelError
from linearsr.models.ram import SIDE, Ram, ram_from_weights
from linearsr.tags.tagger import MOST, Tag
from linearsr.weight_files import read_weights

DEFAULT_THRESHOLD = 0.68


class RamTagger:
    """Names at most a handful of tags, each over its own threshold."""

    def __init__(self, network: Ram, tags: list[str], thresholds: Tensor) -> None:
        self._network, self._tags, self._thresholds = network.eval(), tags, thresholds
        self.parameters = sum(weight.numel() for weight in network.parameters())

    @torch.inference_mode()
    def tag(self, image: Tensor) -> tuple[Tag, ...]:
        """Return the tags of (1, 3, H, W) RGB in [0, 1], the surest first."""
        fitted = F.interpolate(image, (SIDE, SIDE), mode="bilinear", antialias=True)
        (scores,) = self._network(fitted)
        order = scores.argsort(descending=True).tolist()
        named = [place for place in order if scores[place] > self._thresholds[place]]
        return tuple(Tag(self._tags[place], float(scores[place])) for place in named[:MOST])


def load_ram_tagger(folder: Path) -> RamTagger:
    """Read RAM or RAM++ from a folder; the weights tell which it is.

    Raises:
        InputError: if a file is missing.
        ModelError: if weights, tags and thresholds do not belong together.
    """
    files = [path for path in sorted(folder.glob("*")) if path.suffix in (".pth", ".safetensors")]
    if len(files) != 1:
        raise InputError(f"{folder} has {len(files)} checkpoints, not one", remedy="put one .pth or .safetensors there")
    tags = _lines(folder / "ram_tag_list.txt")
    try:
        network = ram_from_weights(read_weights(files[0]), len(tags))
        path = folder / "ram_tag_list_threshold.txt"
        thresholds = [float(line) for line in _lines(path)] if path.exists() else [DEFAULT_THRESHOLD] * len(tags)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"cannot use {folder}: {error}", remedy="use a checkpoint with its own lists") from error
    if len(thresholds) != len(tags):
        raise ModelError(
            f"{folder} has {len(thresholds)} thresholds for {len(tags)} tags", remedy="use lists of one kind"
        )
    return RamTagger(network, tags, torch.tensor(thresholds))


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", remedy="get it where the checkpoint is from") from error
    return [line.strip() for line in lines if line.strip()]
