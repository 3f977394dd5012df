"""What the commands of a run do not reach; the rest is in tests/contract/test_cli_train.py."""

from __future__ import annotations

import pytest

from linearsr.models.experts import ExpertsConfig
from linearsr.training.recipe import experts_folder, warn_about_idle


@pytest.mark.parametrize(
    ("boundaries", "idle"),
    [((), ""), ((0.939, 0.875, 0.223), ""), ((0.9, 0.8, 0.5, 0.2), "2"), ((0.9, 0.8, 0.7, 0.5, 0.2), "2, 3")],
)
def test_experts_that_the_default_steps_never_reach_are_named(boundaries, idle):
    said = []
    warn_about_idle(ExpertsConfig(boundaries=boundaries), said.append)
    assert said == ([f"warning: the default 4 sampling steps never reach expert {idle}"] if idle else [])


def test_every_ablation_has_a_folder_of_its_own():
    names = {
        experts_folder(split, naive=naive) for split in ("1", "2", "4-snr", "4-uniform") for naive in (True, False)
    }
    assert len(names) == 8
    assert "experts" in names
