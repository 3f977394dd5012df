"""The estimate of a step beside what real tensors and real optimizers take."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_models import TRANSFORMER, small_autoencoder, small_transformer
from torch.utils.flop_counter import FlopCounterMode

from linearsr.models.transformer import LinearTransformer
from linearsr.training.config import Execution, StageConfig
from linearsr.training.estimate import FLOAT, Linear, Pass, StepCost, trace_step
from linearsr.training.execution import prepared
from linearsr.training.objective import velocity_loss
from linearsr.training.optimizers import build_optimizer

CONFIG = StageConfig(name="flow", steps=1, batch=6, lr_side=32, learning_rate=1e-3)
DEEPER = replace(TRANSFORMER, depth=5)


@pytest.fixture(scope="module")
def cost() -> StepCost:
    return trace_step(CONFIG, DEEPER, small_autoencoder().encoder.to("meta"))


def real_step(network, samples, execution):
    """FLOPs of a forward pass on real tensors, and bytes that autograd keeps of it besides the weights."""
    own = {parameter.data_ptr() for parameter in network.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage  # keeps it alive, so that its address is its own
        return tensor

    z, lr = torch.randn(samples, 4, 4, 4), torch.rand(samples, 3, 32, 32)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with prepared(network, execution), FlopCounterMode(display=False) as counter, hooks:
        velocity_loss(network(z, torch.rand(samples), lr), z)
    return counter.get_total_flops(), sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("recompute", [False, True])
def test_a_deeper_network_and_more_samples_take_what_the_lines_say(cost, recompute):
    flops, kept = real_step(LinearTransformer(DEEPER), 3, Execution(recompute=recompute))
    traced = cost.recomputed if recompute else cost.kept
    assert traced.flops.at(3) == flops
    assert traced.kept.at(3) == pytest.approx(kept, rel=0.02)


def test_recomputing_trades_arithmetic_for_memory(cost):
    assert cost.recomputed.kept.at(6) < 0.4 * cost.kept.kept.at(6)
    more = cost.flops(recompute=True) - cost.flops(recompute=False)
    assert more == 6 * 5 * cost.block.flops.each > 0


@pytest.mark.parametrize("optimizer", ["adamw", "came"])
def test_moments_are_those_of_the_optimizer(cost, optimizer):
    if optimizer == "came":
        pytest.importorskip("pytorch_optimizer")
    network = LinearTransformer(DEEPER)
    config = replace(CONFIG, optimizer=optimizer)
    built = build_optimizer(network.parameters(), config)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    built.step()
    held = [value for state in built.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    expected = FLOAT * sum(value.numel() for value in held if value.ndim)
    assert replace(cost, config=config).state().moments == expected


def test_shares_of_the_state_add_up_to_it_and_the_encoder_is_whole(cost):
    whole, part = cost.state(), cost.state(shards=4)
    encoder = FLOAT * sum(parameter.numel() for parameter in small_autoencoder().encoder.parameters())
    count = sum(parameter.numel() for parameter in LinearTransformer(DEEPER).parameters())
    assert whole.weights - encoder == whole.gradients == whole.average == FLOAT * count
    assert part.weights - encoder == -(-FLOAT * count // 4)
    assert whole.total == whole.weights + whole.gradients + whole.moments + whole.average


def test_gathered_parameters_count_where_they_are_shared(cost):
    none = Linear(fixed=0, each=0)
    cost = replace(cost, encoder=Pass(flops=none, kept=none))
    alone, shared = (cost.activations(6, recompute=False, sharded=sharded) for sharded in (False, True))
    block = sum(parameter.numel() for parameter in small_transformer().blocks[0].parameters())
    outside = sum(parameter.numel() for parameter in small_transformer().parameters()) - 2 * block
    assert shared - alone == 2 * FLOAT * max(block, outside)


def test_low_precision_keeps_less_and_counts_its_copies_of_weights():
    encoder = small_autoencoder().encoder.to("meta")
    low = trace_step(replace(CONFIG, execution=Execution(precision="bf16")), DEEPER, encoder)
    full = trace_step(CONFIG, DEEPER, encoder)
    assert low.kept.kept.each < full.kept.kept.each
    assert low.kept.kept.fixed > full.kept.kept.fixed


def test_the_peak_is_where_most_comes_on_top_of_the_state(cost):
    state = cost.state()
    assert cost.peak(6, recompute=False) == state.total + cost.activations(6, recompute=False)
    none = Linear(fixed=0, each=0)
    small = replace(cost, **dict.fromkeys(("encoder", "kept", "recomputed", "block"), Pass(flops=none, kept=none)))
    assert small.peak(6, recompute=False) == state.total + state.gradients
