"""The ways to run a step change its cost, not what it means."""

from __future__ import annotations

import pytest
import torch
from small_models import awake, randn, seeded, small_autoencoder, small_transformer
from torch import nn

from linearsr.models.autoencoder import ResidualBlock
from linearsr.models.blocks import LinearBlock
from linearsr.training.config import Execution
from linearsr.training.execution import lowered, prepared


def transformer_loss(transformer):
    return transformer(randn(2, 4, 3, 2), torch.tensor([0.2, 0.9]), randn(2, 3, 24, 16)).square().mean()


def autoencoder_loss(autoencoder):
    return autoencoder.decode(autoencoder.encode(randn(2, 3, 64, 64)), randn(2, 3, 16, 16)).square().mean()


CASES = [(small_transformer, transformer_loss), (lambda: awake(small_autoencoder()), autoencoder_loss)]


def gradients(build, loss, execution):
    module = seeded(0, build)
    with prepared(module, execution), lowered(execution):
        value = loss(module)
        value.backward()
    return float(value.detach()), {name: parameter.grad for name, parameter in module.named_parameters()}


@pytest.mark.parametrize(("build", "loss"), CASES)
def test_recomputation_changes_neither_loss_nor_gradients(build, loss):
    plain, expected = gradients(build, loss, Execution())
    again, actual = gradients(build, loss, Execution(recompute=True))
    assert again == plain
    assert all(torch.equal(actual[name], value) for name, value in expected.items())


def test_recomputation_keeps_fewer_activations():
    module = small_transformer()
    kept = []
    for recompute in (False, True):
        sizes: list[int] = []

        def keep(x, sizes=sizes):
            sizes.append(x.numel())
            return x

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x)
        with prepared(module, Execution(recompute=recompute)), hooks:
            transformer_loss(module)
        kept.append(sum(sizes))
    assert kept[1] < 0.6 * kept[0]


def test_everything_is_as_before_once_the_context_is_left():
    module = nn.ModuleList([small_transformer(), small_autoencoder()])
    blocks = [part for part in module.modules() if isinstance(part, (LinearBlock, ResidualBlock))]
    with prepared(module, Execution(recompute=True)):
        assert all("forward" in vars(block) for block in blocks)
    assert not any("forward" in vars(block) for block in blocks)


@pytest.mark.parametrize(("build", "loss"), CASES)
def test_bf16_computes_low_and_keeps_weights_and_gradients_high(build, loss):
    plain, _ = gradients(build, loss, Execution())
    low, found = gradients(build, loss, Execution(precision="bf16"))
    assert low != plain
    assert low == pytest.approx(plain, rel=0.05)
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # torch's own
def test_compiled_networks_give_the_same_gradients(monkeypatch):
    # Captured and differentiated as graphs, but not translated to C++, which takes minutes.
    compile_network = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda network: compile_network(network, backend="aot_eager"))
    torch._dynamo.utils.counters.clear()
    plain, expected = gradients(*CASES[0], Execution())
    compiled, actual = gradients(*CASES[0], Execution(compiled=True))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert compiled == pytest.approx(plain, rel=1e-5)
    for name, value in expected.items():
        assert torch.allclose(actual[name], value, rtol=1e-3, atol=1e-5), name
