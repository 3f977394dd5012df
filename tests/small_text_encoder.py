"""The sentence encoder with random weights and a dozen words, in the layout of Hugging Face."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from small_models import seeded
from torch import Tensor

from linearsr.models.minilm import MiniLM

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "of", "glass")


def published_weights() -> dict[str, Tensor]:
    """Random weights under the names of Hugging Face's BertModel."""
    ours = seeded(0, MiniLM).state_dict()
    names = {
        "words": "embeddings.word_embeddings",
        "positions": "embeddings.position_embeddings",
        "segments": "embeddings.token_type_embeddings",
        "norm": "embeddings.LayerNorm",
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    weights = {}
    for name, value in ours.items():
        layer, module, kind = _split(name)
        if "in_proj" in name:
            parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
            kind = kind.removeprefix("in_proj_")
            weights |= {f"{layer}attention.self.{part}.{kind}": rows.contiguous() for part, rows in parts}
        else:
            weights[f"{layer}{names[module]}.{kind}"] = value.contiguous()
    return weights


def _split(name: str) -> tuple[str, str, str]:
    path, _, kind = name.rpartition(".")
    if not path.startswith("layers."):
        return "", path, kind
    _, index, module = path.split(".", 2)
    return f"encoder.layer.{index}.", module, kind


def write_small_encoder(folder: Path) -> None:
    """Write model.safetensors and tokenizer.json."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    folder.mkdir(parents=True)
    save_file(published_weights(), folder / "model.safetensors")
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def random_tokens(count: int, length: int) -> Tensor:
    return torch.randint(4, len(WORDS), (count, length), generator=torch.Generator().manual_seed(0))
