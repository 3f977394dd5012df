"""Gemma-2 as SANA reads text with it, through the transformers library: from a folder on disk or a hub model.

    states = Gemma(tokens of [instruction] + text)        after its last norm, one for each token
    guidance = the first state, then those from the instruction's last token on, 300 at most

Padding is left out: SANA masks it in cross-attention, so it changes nothing. Its norm of the projected states belongs
to the transformer (``GuidanceEmbedding``). The instruction is what SANA's own captions were rewritten with; tags, plain
words, go without.
References: SANA, section 3.1 (arXiv:2410.10629); Gemma 2 (arXiv:2408.00118).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from linearsr.errors import InputError, ModelError
from linearsr.hub_transfer import download, is_hub_id
from linearsr.tags.table import START, TagTable

if TYPE_CHECKING:
    from transformers import Gemma2Model, PreTrainedTokenizerBase

MAX_TOKENS = 300
"""Tokens of a text that SANA was trained on; the rest is not read."""
HUB_FILES = [
    *("config.json", "model*.safetensors", "model*.json", "tokenizer*", "special_tokens_map.json"),
    *("text_encoder/*.json", "text_encoder/*.safetensors"),
]
"""What is fetched of a hub model, which may be a whole SANA in diffusers' layout."""


class Gemma:
    """A Gemma-2 with its tokenizer; ``instruction`` goes before captions."""

    def __init__(self, network: Gemma2Model, tokenizer: PreTrainedTokenizerBase, instruction: str = "") -> None:
        self._network, self._tokenizer, self._instruction = network.eval(), tokenizer, instruction

    @property
    def width(self) -> int:
        """Width of the states."""
        return int(self._network.config.hidden_size)

    def caption(self, text: str) -> Tensor:
        """Return the states (1, L, G) of a text in lower case, at most 300."""
        instruction = self._instruction
        # SANA counts the token that both begin with twice, and the instruction's last token among the text's.
        before = len(self._tokens(instruction)) - 2 if instruction else 0
        states = self._states(instruction + text.lower().strip(), before + MAX_TOKENS)
        return torch.cat((states[:, :1], states[:, before + 1 :]), 1)

    def tags(self, tags: Sequence[str]) -> Tensor:
        """Return the states (1, 1 + L, G) of tags, exactly as their table would give them."""
        return self.table(tags).tags(tags)

    def table(self, tags: Sequence[str]) -> TagTable:
        """Encode tags, each by itself, for use without Gemma."""
        states = {tag: self._states(tag, MAX_TOKENS)[0, 1:] for tag in tags}
        return TagTable(states={START: self._states("", MAX_TOKENS)[0, :1], **states})

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text)["input_ids"])

    @torch.no_grad()
    def _states(self, text: str, longest: int) -> Tensor:
        tokens = torch.tensor([self._tokens(text)[:longest]], device=self._network.device)
        states: Tensor = self._network(tokens, attention_mask=torch.ones_like(tokens), use_cache=False)[0]
        return states.float().cpu()


def load_gemma(model: str | Path, instruction: str = "") -> Gemma:
    """Read a Gemma-2: a folder with it, or with ``text_encoder`` and ``tokenizer`` inside, or a hub id "owner/name".

    It stays in the precision that it was saved in. Only safetensors are read, and no code that lies beside them is run.

    Raises:
        InputError: if there is no such folder.
        ModelError: if transformers is not installed, or this is no Gemma-2.
    """
    folder = _folder(model)
    has_parts = (folder / "text_encoder").is_dir()
    network, tokenizer = (folder / part if has_parts else folder for part in ("text_encoder", "tokenizer"))
    return Gemma(*_load(network, tokenizer), instruction)


def _folder(model: str | Path) -> Path:
    if Path(model).is_dir():
        return Path(model)
    if is_hub_id(str(model)):
        return download(str(model), HUB_FILES)
    raise InputError(f"no text encoder at {model}", remedy="name a folder with a Gemma-2, or a hub id owner/name")


def _load(network: Path, tokenizer: Path) -> tuple[Any, Any]:
    try:
        from transformers import AutoTokenizer, Gemma2Model
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise ModelError("Gemma needs the transformers package", remedy="pip install 'linearsr[gemma]'") from error
    disable_progress_bar()
    try:
        words = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
        loaded, report = Gemma2Model.from_pretrained(
            network, local_files_only=True, use_safetensors=True, dtype="auto", output_loading_info=True
        )
        # The library would fill what is missing with random numbers.
        if report["missing_keys"]:
            raise ValueError(f"{min(report['missing_keys'])} is missing")
    except Exception as error:  # the library has no common base of its own
        raise ModelError(
            f"{network} is no Gemma-2: {error}", remedy="name a folder in Hugging Face's layout"
        ) from error
    if len(words("")["input_ids"]) != 1:
        raise ModelError(f"the tokenizer in {tokenizer} has no token to begin with", remedy="use Gemma's own")
    return loaded, words
