"""The optimizers a stage can name.

AdamW   Loshchilov and Hutter, 2017 (arXiv:1711.05101); PyTorch's own
CAME    Luo et al., 2023 (arXiv:2307.02047), SANA's choice: second moments as row and column sums, so that matrices need
        half of AdamW's memory; from the pytorch_optimizer library
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from linearsr.errors import ConfigError
from linearsr.training.config import StageConfig


def build_optimizer(parameters: Iterable[nn.Parameter], config: StageConfig) -> torch.optim.Optimizer:
    """Return the optimizer that ``config`` names.

    Raises:
        ConfigError: if its library is not installed.
    """
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    try:
        from pytorch_optimizer import CAME
    except ImportError as error:
        remedy = "pip install 'linearsr[came]', or use adamw"
        raise ConfigError("the optimizer came needs pytorch-optimizer", remedy=remedy) from error
    optimizer: torch.optim.Optimizer = CAME(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return optimizer
