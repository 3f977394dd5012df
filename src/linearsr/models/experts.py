"""Four transformers, one per range of signal-to-noise ratio, and the fixed gate that picks exactly one per timestep.

    lambda(t) = 2 ln((1 - t) / t)
    anchor t_a splits structure (t > t_a) from detail (t <= t_a); each side is bisected in lambda:
        t_1 = lambda^-1((lambda(t_max) + lambda(t_a)) / 2),   t_3 = lambda^-1((lambda(t_min) + lambda(t_a)) / 2)
    expert 1: t > t_1    expert 2: t in (t_a, t_1]    expert 3: t in (t_3, t_a]    expert 4: t <= t_3

1 generates structure, 2 refines it, 3 makes texture, 4 polishes. Only one runs per step: no routing network, no extra
cost, and no need for more than one in memory.
Legend: boundaries (t_1, t_a, t_3), descending; expert indices count from 0 in code.
Reference: LinearSR, Li et al., 2025 (arXiv:2510.08771), whose boundaries are 0.939, 0.875, 0.223.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from linearsr.models.transformer import LinearTransformer, TransformerConfig

BOUNDARIES = (0.939, 0.875, 0.223)
"""The paper's boundaries, the default everywhere."""


@dataclass(frozen=True, kw_only=True)
class ExpertsConfig:
    """Boundaries between experts, descending inside (0, 1): n boundaries make n + 1 experts."""

    boundaries: tuple[float, ...] = BOUNDARIES

    def __post_init__(self) -> None:
        edges = (1.0, *self.boundaries, 0.0)
        if not all(a > b for a, b in itertools.pairwise(edges)):
            raise ValueError(f"expert boundaries must descend inside (0, 1), not {self.boundaries}")

    @property
    def count(self) -> int:
        """Number of experts."""
        return len(self.boundaries) + 1

    def expert_at(self, t: float) -> int:
        """Index of the one expert in charge of timestep ``t`` in [0, 1]."""
        if not 0 <= t <= 1:
            raise ValueError(f"timestep must be in [0, 1], not {t}")
        return sum(t <= boundary for boundary in self.boundaries)

    def interval(self, expert: int) -> tuple[float, float]:
        """The expert's (low, high]: it is in charge of low < t <= high."""
        edges = (1.0, *self.boundaries, 0.0)
        return edges[expert + 1], edges[expert]


def bisect_boundaries(anchor: float, t_min: float, t_max: float) -> tuple[float, float, float]:
    """Return (t_1, anchor, t_3) by halving each side of ``anchor`` in log-SNR, over the range [t_min, t_max].

    Raises:
        ValueError: unless 0 < t_min < anchor < t_max < 1.
    """
    if not 0 < t_min < anchor < t_max < 1:
        raise ValueError(f"needs 0 < t_min < anchor < t_max < 1, not {t_min}, {anchor}, {t_max}")
    upper, middle, lower = (math.log1p(-t) - math.log(t) for t in (t_max, anchor, t_min))
    halves = ((upper + middle) / 2, (lower + middle) / 2)
    high, low = (1 / (1 + math.exp(half)) for half in halves)
    return high, anchor, low


class ExpertTransformer(nn.Module):
    """The experts behind their gate; to a sampler it looks like one velocity predictor."""

    def __init__(self, config: ExpertsConfig, transformer: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer_config = transformer
        self.experts = nn.ModuleList(LinearTransformer(transformer) for _ in range(config.count))

    def forward(
        self, z_t: Tensor, t: float, lr: Tensor, guidance: Tensor | None = None, mask_BL: Tensor | None = None
    ) -> Tensor:
        """Velocity (B, C, H, W) at one timestep for the whole batch; arguments as in LinearTransformer."""
        v: Tensor = self.expert_at(t)(z_t, z_t.new_full((z_t.shape[0],), t), lr, guidance, mask_BL)
        return v

    def expert_at(self, t: float) -> LinearTransformer:
        """Return the one expert in charge of timestep ``t``."""
        expert: LinearTransformer = self.experts[self.config.expert_at(t)]  # type: ignore[assignment]
        return expert

    def weights(self, index: int) -> Mapping[str, Tensor]:
        """Return the weights of one expert, counted from 0."""
        return self.experts[index].state_dict()


class OnDemandExperts(ExpertTransformer):
    """The same with one expert in memory at a time, read where the timestep needs it. For sampling, not for training.

    Sampling goes from noise to detail, so an image takes as many reads as there are experts, whatever the steps.
    """

    def __init__(
        self, config: ExpertsConfig, transformer: TransformerConfig, read: Callable[[int], Mapping[str, Tensor]]
    ) -> None:
        """``read`` gives the weights of an expert, counted from 0."""
        nn.Module.__init__(self)
        self.config = config
        self.transformer_config = transformer
        self._read = read
        # Moves with the module, so that experts follow to its device and precision.
        self._place = nn.Parameter(torch.empty(0), requires_grad=False)
        self._resident: tuple[int, LinearTransformer] | None = None

    def expert_at(self, t: float) -> LinearTransformer:
        """Return the one expert in charge of timestep ``t``, in the place of the one before."""
        index = self.config.expert_at(t)
        place = self._place.device, self._place.dtype
        if self._resident is not None:
            expert = self._resident[1]
            if self._resident[0] == index and (expert.patch_in.weight.device, expert.patch_in.weight.dtype) == place:
                return expert
        self._resident = None  # before the next is read: two would take twice the memory
        # Sampling runs in inference mode, whose tensors could never be used outside again.
        with torch.inference_mode(False):
            with torch.device("meta"):
                expert = LinearTransformer(self.transformer_config)
            expert.load_state_dict(self._read(index), assign=True)
            expert.to(*place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._resident = index, expert.eval()
        return expert

    def weights(self, index: int) -> Mapping[str, Tensor]:
        """Read the weights of one expert, counted from 0."""
        return self._read(index)
