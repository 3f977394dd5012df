"""RAM and RAM++ with a few thousand random weights, as a published checkpoint in a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from small_models import awake, seeded

from linearsr.models.ram import Ram, RamConfig
from linearsr.models.swin import SwinConfig

TAGS = ("aardvark", "dog", "zebra")


def small_ram(*, descriptions: int = 1) -> Ram:
    """``descriptions`` of each tag; more than one makes it RAM++. A window of 12 fits an image of 384."""
    image = SwinConfig(width=4, depths=(1, 2, 1), heads=(1, 2, 2), window=12)
    config = RamConfig(image=image, tags=len(TAGS), labels=descriptions * len(TAGS), joint=8, width=16)
    return seeded(0, lambda: awake(Ram(config))).eval()


def write_ram(folder: Path, *, descriptions: int = 1) -> Ram:
    network = small_ram(descriptions=descriptions)
    extra = {"text_decoder.bert.weight": torch.zeros(2), "visual_encoder.layers.0.attn_mask": torch.zeros(2)}
    folder.mkdir()
    torch.save({"model": {**network.state_dict(), **extra}}, folder / "ram.pth")
    (folder / "ram_tag_list.txt").write_text("\n".join(TAGS) + "\n")
    return network
