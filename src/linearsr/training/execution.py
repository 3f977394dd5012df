"""How the networks of a stage are run while it trains: compiled, with less memory, in a lower precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from linearsr.models.autoencoder import Decoder, Encoder, ResidualBlock
from linearsr.models.blocks import LinearBlock
from linearsr.models.denoiser import Denoiser
from linearsr.models.transformer import LinearTransformer
from linearsr.training.config import Execution

NETWORKS = (LinearTransformer, Encoder, Decoder, Denoiser)
"""What is compiled, each as one graph."""
BLOCKS = (LinearBlock, ResidualBlock)
"""What keeps only its inputs for the backward pass when memory is short."""


@contextmanager
def prepared(module: nn.Module, execution: Execution) -> Iterator[None]:
    """Let the networks inside ``module`` run as ``execution`` says, until the context is left."""
    blocks = [part for part in module.modules() if execution.recompute and isinstance(part, BLOCKS)]
    for block in blocks:
        # An attribute of the instance hides the method of its class; names and weights stay as they are.
        again = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
        block.forward = again  # type: ignore[method-assign]
    networks = [part for part in module.modules() if execution.compiled and isinstance(part, NETWORKS)]
    for network in networks:
        network.compile()
    try:
        with warnings.catch_warnings():
            # Autocast gives norms low inputs and leaves their weights high; torch says each time that this is slower.
            warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
            yield
    finally:
        for block in blocks:
            del block.forward
        for network in networks:
            network._compiled_call_impl = None


def lowered(execution: Execution) -> torch.autocast:
    """Return the context in which a loss is computed: autocast to bfloat16, or nothing."""
    kind = torch.device(execution.device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=execution.precision == "bf16")
