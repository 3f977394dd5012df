from __future__ import annotations

import pytest
import torch

from linearsr.data.sampling import RecalledPairs, Sample, choose, own_slots
from linearsr.errors import ConfigError


def test_a_sample_is_a_pure_function_of_seed_step_and_slot():
    assert Sample.at(1, 2, 3) == Sample.at(1, 2, 3)
    assert len({Sample.at(*place) for place in [(1, 2, 3), (1, 3, 2), (2, 1, 3), (0, 2, 3), (1, 2, 4)]}) == 5


def test_slots_of_the_ranks_in_order_are_those_of_one_process():
    assert (
        [slot for rank in range(3) for slot in own_slots(12, rank, 3)] == list(own_slots(12, 0, 1)) == list(range(12))
    )


@pytest.mark.parametrize(("size", "world"), [(5, 2), (0, 1)])
def test_a_batch_that_cannot_be_split_is_refused(size, world):
    with pytest.raises(ConfigError, match=f"a batch of {size} cannot be split among {world} ranks"):
        own_slots(size, 0, world)


def test_choices_are_even_and_in_range():
    chosen = [choose(Sample.at(0, step, 0).photo, 3) for step in range(600)]
    assert set(chosen) == {0, 1, 2}
    assert 150 < chosen.count(1) < 250


def test_all_eight_orientations_occur():
    image = torch.arange(4.0).view(1, 2, 2)
    assert len({tuple(Sample.at(0, step, 0).oriented(image).flatten().tolist()) for step in range(100)}) == 8


def test_recalled_pairs_are_made_once_for_each_request_in_a_row():
    made = []

    class Counting:
        def batch(self, step, **options):
            made.append((step, options["rank"]))
            return torch.full((1,), float(step)), torch.zeros(1)

    pairs, options = RecalledPairs(Counting()), {"seed": 0, "size": 2, "lr_side": 16}
    found = [
        float(pairs.batch(step, **options, rank=rank, world=2)[0]) for step, rank in ((3, 0), (3, 0), (3, 1), (4, 1))
    ]
    assert found == [3, 3, 3, 4]
    assert made == [(3, 0), (3, 1), (4, 1)]
