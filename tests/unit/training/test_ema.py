from __future__ import annotations

import pytest
import torch
from torch import nn

from linearsr.training.ema import EMA


def constant(value):
    module = nn.Linear(1, 1)
    for parameter in module.parameters():
        nn.init.constant_(parameter, value)
    return module


def test_average_starts_at_the_parameters_and_is_a_copy():
    module = constant(2.0)
    ema = EMA(module, 0.9)
    nn.init.zeros_(module.weight)
    assert ema.state_dict()["weight"] == 2
    assert set(ema.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("decay", "step", "kept"), [(0.9, 0, 0.1), (0.9, 1, 2 / 11), (0.9, 10_000, 0.9), (0.05, 0, 0.05)]
)
def test_decay_warms_up_to_its_limit(decay, step, kept):
    ema = EMA(constant(1.0), decay)
    ema.update(constant(0.0), step)
    assert float(ema.state_dict()["weight"]) == pytest.approx(kept)


def test_average_converges_to_a_constant():
    ema = EMA(constant(0.0), 0.9)
    for step in range(200):
        ema.update(constant(1.0), step)
    torch.testing.assert_close(ema.state_dict()["bias"], torch.ones(1))


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_outside_its_range_is_named(decay):
    with pytest.raises(ValueError, match=str(decay)):
        EMA(constant(0.0), decay)


def test_average_is_lent_to_the_module_and_taken_back_even_after_an_error():
    module = constant(1.0)
    ema = EMA(constant(0.5), 0.9)
    seen = []

    def measure():
        with ema.applied_to(module):
            seen.append(float(module.weight.detach()))
            raise RuntimeError("measuring failed")

    with pytest.raises(RuntimeError, match="measuring failed"):
        measure()
    assert seen == [0.5]
    assert module.weight == 1
