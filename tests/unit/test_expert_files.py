"""Experts in one file, in one each, or as differences; all in memory, or one."""

from __future__ import annotations

import json

import pytest
import torch
from small_models import seeded, small_autoencoder, small_experts

from linearsr.errors import ModelError
from linearsr.hub import EXACT, INDEX_NAME, ModelParts, load_model, save_model
from linearsr.models.experts import OnDemandExperts

LAYOUTS = ("together", "separate", "delta-int8", "delta-bfloat16")
TIMES = (1.0, 0.9, 0.5, 0.1)
"""A timestep of each expert."""
CLOSE = 0.02
"""How far the experts of these tests have moved from the first, relative to the spread of each of its weights."""


def related_experts():
    """Four experts, three of them small steps away from the first, as after training from one knee."""
    experts = small_experts()
    weights = experts.experts[0].state_dict()
    for expert in list(experts.experts)[1:]:
        steps = {name: CLOSE * value.std(unbiased=False) for name, value in weights.items()}
        expert.load_state_dict({name: value + steps[name] * torch.randn_like(value) for name, value in weights.items()})
    return experts


@pytest.fixture
def parts():
    return ModelParts(name="small", autoencoder=small_autoencoder(), experts=seeded(3, related_experts))


def saved(parts, folder, layout, storage="float32"):
    save_model(parts, folder, storage=EXACT | {"experts": storage}, layout=layout)
    return folder


def experts_of(parts):
    return [dict(parts.experts.weights(index)) for index in range(4)]


def edit(folder, change):
    path = folder / INDEX_NAME
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def largest_error(before, after):
    """Over all matrices and kernels, relative to the largest weight of the same output channel."""
    errors = []
    for name, value in before.items():
        if value.ndim < 2:
            continue
        rows, wrong = value.reshape(len(value), -1), (after[name] - value).reshape(len(value), -1)
        errors.append((wrong.abs().amax(1) / rows.abs().amax(1).clamp(min=1e-6)).max())
    return float(max(errors))


@pytest.mark.parametrize("layout", ["together", "separate"])
@pytest.mark.parametrize("residency", ["resident", "on-demand"])
def test_every_layout_gives_back_every_expert_to_the_bit(parts, tmp_path, layout, residency):
    loaded = load_model(saved(parts, tmp_path, layout), experts=residency)
    for before, after in zip(experts_of(parts), experts_of(loaded), strict=True):
        assert before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_separate_experts_have_a_file_each_that_the_index_names(parts, tmp_path):
    saved(parts, tmp_path, "separate")
    index = json.loads((tmp_path / INDEX_NAME).read_text())
    assert index["expert_files"] == [f"experts-{n}" for n in (1, 2, 3, 4)]
    assert not (tmp_path / "experts.safetensors").exists()
    assert all((tmp_path / f"{name}.safetensors").is_file() for name in index["expert_files"])


def test_equal_experts_share_a_file(tmp_path):
    experts = small_experts()
    for number in (1, 3):
        experts.experts[number] = experts.experts[0]
    before = ModelParts(name="small", autoencoder=small_autoencoder(), experts=experts)
    saved(before, tmp_path, "separate")
    index = json.loads((tmp_path / INDEX_NAME).read_text())
    assert index["expert_files"] == ["experts-1", "experts-1", "experts-3", "experts-1"]
    assert sorted(path.name for path in tmp_path.glob("experts*")) == ["experts-1.safetensors", "experts-3.safetensors"]
    for mine, theirs in zip(experts_of(before), experts_of(load_model(tmp_path)), strict=True):
        assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


@pytest.mark.parametrize(("layout", "bound"), [("delta-int8", 0.001), ("delta-bfloat16", 0.001)])
def test_differences_are_rounded_far_less_than_experts_themselves(parts, tmp_path, layout, bound):
    before = experts_of(parts)
    whole = experts_of(load_model(saved(parts, tmp_path / "int8", "separate", "int8")))
    differences = experts_of(load_model(saved(parts, tmp_path / "delta", layout)))
    assert all(torch.equal(value, differences[0][name]) for name, value in before[0].items())
    for number in (1, 2, 3):
        assert 0 < largest_error(before[number], differences[number]) < bound
        assert largest_error(before[number], whole[number]) > 3 * bound


def test_differences_count_from_the_base_as_it_is_stored(parts, tmp_path):
    """A rounded base must not add its own rounding to the others."""
    before = experts_of(parts)
    after = experts_of(load_model(saved(parts, tmp_path, "delta-bfloat16", "bfloat16")))
    assert 2**-11 < largest_error(before[0], after[0]) <= 2**-8
    assert all(largest_error(before[n], after[n]) < 2**-11 for n in (1, 2, 3))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_on_demand_experts_predict_what_resident_ones_do_and_only_one_is_held(parts, tmp_path, layout):
    folder = saved(parts, tmp_path, layout)
    resident, on_demand = (load_model(folder, experts=kind).experts for kind in ("resident", "on-demand"))
    assert isinstance(on_demand, OnDemandExperts)
    assert on_demand.config == resident.config
    z, lr = torch.randn(1, 4, 2, 3), torch.rand(1, 3, 16, 24)
    for t in (*TIMES, *TIMES):
        assert torch.allclose(on_demand(z, t, lr), resident(z, t, lr), atol=1e-6)
        assert sum(value.numel() for value in on_demand.parameters()) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_flipped_bit_is_refused_when_the_expert_is_needed(parts, tmp_path, layout):
    folder = saved(parts, tmp_path, layout)
    path = folder / ("experts.safetensors" if layout == "together" else "experts-3.safetensors")
    payload = bytearray(path.read_bytes())
    payload[-3] ^= 1
    path.write_bytes(payload)
    with pytest.raises(ModelError, match=rf"{path.stem}\.safetensors has SHA-256"):
        load_model(folder)
    with pytest.raises(ModelError, match=rf"{path.stem}\.safetensors has SHA-256"):
        load_model(folder, experts="on-demand").experts.expert_at(0.5)


def test_a_damaged_base_is_refused_with_the_difference(parts, tmp_path):
    folder = saved(parts, tmp_path, "delta-int8")
    (folder / "experts-1.safetensors").unlink()
    with pytest.raises(ModelError, match=r"cannot read .*experts-1"):
        load_model(folder, experts="on-demand").experts.expert_at(0.5)


@pytest.mark.parametrize("residency", ["resident", "on-demand"])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda index: index["transformer"].update(width=32), "does not fit the configuration: blocks"),
        (lambda index: index["transformer"].update(depth=3), "does not fit the configuration: blocks.2"),
        (lambda index: index.update(expert_files=["experts-1"] * 3), "3 expert_files for 4 experts"),
        (lambda index: index["files"].pop("experts-3"), "lacks 'experts-3'"),
        (lambda index: index["files"]["experts-2"].update(base="experts-9"), "lacks 'experts-9'"),
        (lambda index: index["files"]["experts-2"].update(base="autoencoder"), "'autoencoder' is no file of experts"),
    ],
)
def test_what_does_not_fit_is_named(parts, tmp_path, residency, change, named):
    folder = saved(parts, tmp_path, "delta-int8")
    edit(folder, change)
    with pytest.raises(ModelError, match=named):
        load_model(folder, experts=residency).experts.expert_at(0.5)


def test_an_on_demand_model_is_saved_like_any_other(parts, tmp_path):
    loaded = load_model(saved(parts, tmp_path / "a", "together"), experts="on-demand")
    again = load_model(saved(loaded, tmp_path / "b", "separate"))
    for before, after in zip(experts_of(parts), experts_of(again), strict=True):
        assert all(torch.equal(value, after[name]) for name, value in before.items())
