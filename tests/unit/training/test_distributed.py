"""One process pays nothing for ranks; two of them agree on everything that decides."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from rank_agreements import agree, average, compute_in_parts, leave_out_what_one_rank_cannot_use
from several_ranks import run_as_rank
from small_models import randn, small_transformer
from torch import nn
from torch.distributed.tensor import DTensor

from linearsr.errors import ConfigError
from linearsr.training import distributed
from linearsr.training.config import WHOLE
from linearsr.training.distributed import Parallelism


@pytest.fixture
def group_of_one():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def transformer_and_loss():
    transformer = small_transformer()

    def loss(step, part=WHOLE):
        v = transformer(randn(1, 4, 2, 2, seed=step), torch.tensor([0.5]), randn(1, 3, 16, 16))
        return v.square().mean(), {"part": 1.0}

    return transformer, loss


def test_parallelism_is_one_of_two():
    with pytest.raises(ConfigError, match="not 'tensor'"):
        Parallelism(mode="tensor")


@pytest.mark.parametrize("world_size", [None, "1"])
def test_one_process_starts_nothing_and_gets_back_what_it_gave(monkeypatch, world_size):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if world_size:
        monkeypatch.setenv("WORLD_SIZE", world_size)
    with distributed.joined():
        assert not dist.is_initialized()
        assert distributed.is_main()
        module, loss = transformer_and_loss()
        assert distributed.spread(module, loss, Parallelism(mode="fsdp"), alongside=()) is loss
        tensor = module.patch_in.weight
        assert distributed.own_share(tensor).equal(tensor)
        assert distributed.whole(tensor) is tensor
        assert distributed.placed_like(tensor, tensor) is tensor
        assert distributed.mean({"loss": 2.5}) == {"loss": 2.5}
        assert [distributed.any_rank(flag) for flag in (False, True)] == [False, True]
        with distributed.gathered(loss):
            pass


@pytest.mark.parametrize(("variables", "reason"), [({}, "RANK"), ({"RANK": "0"}, "MASTER_ADDR"), ({"RANK": "x"}, "x")])
def test_half_an_environment_is_refused_with_the_reason(monkeypatch, variables, reason):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"WORLD_SIZE": "2", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"WORLD_SIZE is 2, but .*{reason}.*torchrun"), distributed.joined():
        pass


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_spread_module_has_the_loss_and_gradient_of_the_plain_one(group_of_one, mode):
    module, loss = transformer_and_loss()
    spread_module, its_loss = transformer_and_loss()
    compute = distributed.spread(spread_module, its_loss, Parallelism(mode=mode), alongside=())
    (expected, _), (value, parts) = loss(0), compute(0, WHOLE)
    assert value.equal(expected)
    assert parts == {"part": 1.0}
    expected.backward()
    value.backward()
    for (name, plain), ours in zip(module.named_parameters(), spread_module.parameters(), strict=True):
        assert distributed.whole(ours.grad).equal(plain.grad), name
    with distributed.gathered(compute), torch.no_grad():
        assert its_loss(1)[0].equal(loss(1)[0])
    assert isinstance(spread_module.patch_in.weight, DTensor) is (mode == "fsdp")


def test_a_share_goes_out_and_comes_back_whole(group_of_one):
    module, loss = transformer_and_loss()
    expected = {name: value.clone() for name, value in module.state_dict().items()}
    distributed.spread(module, loss, Parallelism(mode="fsdp"), alongside=())
    shares = module.state_dict()
    collected = distributed.collect(shares)
    for name, value in expected.items():
        assert collected[name].equal(value)
        placed = distributed.placed_like(value, shares[name])
        assert isinstance(placed, DTensor)
        assert distributed.whole(placed).equal(value)
        assert distributed.placed_like(value, value) is value


def test_convolutions_in_channels_last_can_be_shared_too(group_of_one):
    module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    expected, image = module(randn(1, 3, 5, 5)), randn(1, 3, 5, 5)
    compute = distributed.spread(
        module, lambda step, part: (module(image).sum(), {}), Parallelism(mode="fsdp"), alongside=()
    )
    assert compute(0, WHOLE)[0].item() == pytest.approx(expected.sum().item(), abs=1e-4)


@pytest.mark.parametrize("work", [agree, average, leave_out_what_one_rank_cannot_use])
@pytest.mark.parametrize("own", [0, 1])
def test_on_two_ranks(monkeypatch, work, own):
    run_as_rank(own, monkeypatch, work)


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_gradient_of_parts_on_two_ranks(monkeypatch, mode):
    run_as_rank(0, monkeypatch, compute_in_parts, mode)
