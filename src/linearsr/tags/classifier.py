"""What a classifier of images says in plain words: the probabilities of its classes summed up by tag.

p(tag) = sum of softmax(logits) over the classes of that tag
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.models.efficientnet import SIDE


def fit_input(image: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, 3, 224, 224): the whole picture, whatever its proportions."""
    return F.interpolate(image, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)


def tag_probabilities(logits: Tensor, tag_of_class: Tensor, tags: int) -> Tensor:
    """(B, classes), and the tag of every class (classes,) -> (B, tags), which sum to 1."""
    sums = logits.new_zeros(len(logits), tags)
    return sums.index_add(1, tag_of_class, torch.softmax(logits.float(), dim=-1).to(logits.dtype))
