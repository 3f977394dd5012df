"""A Gemma-2 of random weights with a tokenizer of its own, in the layout of Hugging Face."""

from __future__ import annotations

from pathlib import Path

import torch
from small_models import seeded
from torch import nn

WIDTH = 24
TEXTS = ("a wooden spoon beside a dog", "the dog of glass and the cat of wood")


def write_small_gemma(folder: Path, *, width: int = WIDTH, starts: bool = True) -> None:
    """Write network and tokenizer; ``starts`` is whether texts begin with a token of their own."""
    from transformers import Gemma2Config, Gemma2Model

    tokenizer = _tokenizer(starts=starts)
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        query_pre_attn_scalar=8,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    network = seeded(0, lambda: Gemma2Model(config))
    for parameter in network.parameters():
        # Of a size at which every part matters.
        nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(*, starts: bool):  # type: ignore[no-untyped-def]
    """Pairs of bytes, merged where they are frequent in two lines of text."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    plain = Tokenizer(BPE(unk_token="<unk>"))
    plain.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    plain.train_from_iterator(TEXTS, trainer)
    if starts:
        plain.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", plain.token_to_id("<bos>"))]
        )
    names = dict(zip(("pad_token", "eos_token", "bos_token", "unk_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=plain, **names)
