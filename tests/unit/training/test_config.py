import pytest
import torch

from linearsr.errors import ConfigError
from linearsr.training.config import Execution, Part, StageConfig


def config(**changes):
    values = {"name": "small", "steps": 1, "batch": 4, "lr_side": 16, "learning_rate": 1e-3}
    return StageConfig(**(values | changes))


@pytest.mark.parametrize("side", [0, -8, 12])
def test_crop_off_the_latent_grid_is_named(side):
    with pytest.raises(ConfigError, match=f"multiple of 8, not {side}"):
        config(lr_side=side)


@pytest.mark.parametrize("name", ["steps", "batch", "log_every", "save_every"])
def test_count_below_one_is_named(name):
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, not 0"):
        config(**{name: 0})


def test_batch_that_does_not_split_into_parts_is_named():
    assert config(execution=Execution(accumulate=2)).batch == 4
    with pytest.raises(ConfigError, match="a batch of 4 cannot be computed in 3 equal parts"):
        config(execution=Execution(accumulate=3))


def test_unknown_optimizer_and_precision_are_named():
    with pytest.raises(ConfigError, match="adamw or came, not 'sgd'"):
        config(optimizer="sgd")
    with pytest.raises(ConfigError, match="fp32 or bf16, not 'fp16'"):
        Execution(precision="fp16")
    with pytest.raises(ConfigError, match="accumulate must be at least 1, not 0"):
        Execution(accumulate=0)


def test_parts_are_the_batch_in_order():
    batch = torch.arange(6)
    assert torch.equal(torch.cat([part.take(batch) for part in Part.all(3)]), batch)
    assert Part().take(batch).equal(batch)
