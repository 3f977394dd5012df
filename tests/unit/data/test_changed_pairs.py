"""What holds for all pairs that are changed at random."""

from __future__ import annotations

import pytest
import torch
from small_stages import synthetic_pool

from linearsr.data.camera import CameraPairs
from linearsr.data.defocus import DefocusedPairs


@pytest.mark.parametrize("changed", [CameraPairs, DefocusedPairs])
def test_a_pair_knows_neither_of_its_rank_nor_of_its_companions(changed):
    source, options = changed(synthetic_pool(), 0.5), {"seed": 0, "size": 8, "lr_side": 16}
    for whole, *halves in zip(
        source.batch(3, **options), *(source.batch(3, **options, rank=rank, world=2) for rank in range(2)), strict=True
    ):
        assert torch.equal(whole, torch.cat(halves))
