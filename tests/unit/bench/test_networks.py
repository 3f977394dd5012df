import sys
import types
import warnings

import pytest
import torch
from torch import nn

from linearsr.bench.networks import NETWORKS, Network, NetworkTiming, render_networks, time_networks

PUBLISHED = {"SD 2.1 UNet": 865.9, "SDXL UNet": 2567.5, "SD3 medium": 2028.3, "SANA 0.6B": 591.7, "SANA 1.6B": 1604.5}
"""Millions of parameters."""
CPU = torch.device("cpu")


class Toy(nn.Module):
    """A linear map over the channels of the first input, with a buffer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 32)
        self.register_buffer("table", torch.ones(3))

    def forward(self, **inputs):
        assert not self.table.any(), "buffers are filled"
        assert all(parameter.any() for parameter in self.parameters()), "weights are filled"
        return self.linear(next(iter(inputs.values())).movedim(1, -1))


def toy(build=Toy):
    return Network(
        name="toy",
        used_by="nobody",
        stride=32,
        build=build,
        inputs=lambda side, tensor: {"x": tensor(1, 32, side, side)},
    )


def timings(*networks, dtype=torch.float32):
    return list(time_networks(networks, side=128, repeats=1, device=CPU, dtype=dtype, ours=0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_is_timed_with_random_weights(dtype):
    (timing,) = timings(toy(), dtype=dtype)
    assert (timing.parameters, timing.macs) == (32 * 33, 16 * 32 * 32)
    assert timing.ratio == pytest.approx(timing.seconds / 0.5)


def test_what_cannot_run_is_said():
    def missing():
        raise ImportError("No module named 'diffusers'")

    class Greedy(Toy):
        def forward(self, **inputs):
            raise torch.OutOfMemoryError("CUDA out of memory")

    absent, large, fine = timings(toy(missing), toy(Greedy), toy())
    assert absent.missing == "not installed (No module named 'diffusers'): pip install diffusers"
    assert large.missing == "out of memory on cpu"
    assert fine.seconds > 0


def test_other_errors_are_not_hidden():
    class Broken(Toy):
        def forward(self, **inputs):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        timings(toy(Broken))


def test_every_row_says_what_it_is(machine):
    rows = [
        NetworkTiming(name="SDXL UNet", used_by="SUPIR", parameters=2_567_463_684, macs=10**9, seconds=4.0, ratio=8.0),
        NetworkTiming(name="SD3 medium", used_by="TSD-SR", missing="out of memory on cuda"),
    ]
    text = render_networks(rows, 1024, 0.5, machine)
    assert "| SDXL UNet, random weights, one forward |" in text
    assert "25.0 %" in text
    assert "8.0" in text
    assert "- not timed: SD3 medium (TSD-SR): out of memory on cuda" in text
    assert "For a result of 1024x1024; one evaluation of LinearSR takes 0.500 s here." in text


@pytest.fixture
def fake_diffusers(monkeypatch):
    """Networks that keep their configuration and look at the shapes they are given."""

    class Recorder(nn.Module):
        def __init__(self, **config):
            super().__init__()
            self.config = config
            self.weight = nn.Parameter(torch.zeros(2))

        def forward(self, **inputs):
            self.shapes = {
                name: tuple(value.shape) for name, value in inputs.items() if isinstance(value, torch.Tensor)
            }

    module = types.ModuleType("diffusers")
    for name in ("UNet2DConditionModel", "SD3Transformer2DModel", "SanaTransformer2DModel"):
        setattr(module, name, Recorder)
    monkeypatch.setitem(sys.modules, "diffusers", module)


def shapes(name, side=1024):
    network = next(network for network in NETWORKS if network.name == name)
    model = network.build()
    model(**network.inputs(side // network.stride, lambda *shape: torch.zeros(shape)))
    return model.shapes


def test_inputs_have_the_shapes_of_the_published_pipelines(fake_diffusers):
    assert shapes("SD 2.1 UNet") == {"sample": (1, 4, 128, 128), "encoder_hidden_states": (1, 77, 1024)}
    assert shapes("SDXL UNet") == {"sample": (1, 4, 128, 128), "encoder_hidden_states": (1, 77, 2048)}
    assert shapes("SD3 medium") == {
        "hidden_states": (1, 16, 128, 128),
        "encoder_hidden_states": (1, 333, 4096),
        "pooled_projections": (1, 2048),
        "timestep": (1,),
    }
    for name in ("SANA 0.6B", "SANA 1.6B"):
        assert shapes(name)["hidden_states"] == (1, 32, 32, 32)
        assert shapes(name)["encoder_hidden_states"] == (1, 300, 2304)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_parameter_counts_are_the_published_ones(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers warns of is not ours to mend
        pytest.importorskip("diffusers")
        with torch.device("meta"):
            model = network.build()
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(PUBLISHED[network.name], abs=0.06)
