import pytest
import torch
from small_models import small_pipeline

from linearsr.bench import upscale
from linearsr.bench.macs import count_macs
from linearsr.bench.upscale import Part, UpscaleTiming, render_upscale, time_evaluation, time_upscale


@pytest.fixture(scope="module")
def timing():
    return time_upscale(small_pipeline(), side=20, steps=2, repeats=2)


def test_the_parts_make_the_whole(timing):
    names = [part.name for part in timing.parts if not part.within]
    assert names == ["read PNG", "sampling, 2 NFE", "decoding", "write PNG"]
    whole = [part for part in timing.parts if not part.within]
    assert timing.total.seconds == pytest.approx(sum(part.seconds for part in whole))
    assert timing.total.macs == sum(part.macs for part in whole)
    assert all(part.seconds > 0 for part in timing.parts)
    assert timing.tokens == 9


def test_sampling_is_as_many_evaluations_as_steps(timing):
    parts = {part.name: part for part in timing.parts}
    assert parts["sampling, 2 NFE"].macs == pytest.approx(2 * parts["one evaluation"].macs, rel=0.05)
    assert 0 < parts["its E_conv"].macs < parts["one evaluation"].macs
    assert parts["one evaluation"].within


@torch.inference_mode()
def test_decoding_costs_what_the_decoder_does(timing):
    decoder = small_pipeline().autoencoder.decoder
    macs = count_macs(lambda: decoder(torch.zeros(1, 4, 3, 3), torch.zeros(1, 3, 24, 24)))
    parts = {part.name: part for part in timing.parts}
    # The colour fix blurs with convolutions too; on a picture this small they are not negligible.
    assert macs <= parts["decoding"].macs <= 3 * macs
    assert parts["decoding"].parameters == sum(p.numel() for p in decoder.parameters())


def test_a_graph_is_timed_where_asked_for(monkeypatch):
    monkeypatch.setattr(upscale, "as_cuda_graph", lambda work, device: work)
    parts = time_evaluation(small_pipeline(), side=16, repeats=1, cuda_graphs=True)
    assert [part.name for part in parts] == ["one evaluation", "its E_conv", "one evaluation as a CUDA graph"]
    assert parts[2].macs == parts[0].macs


def test_the_table_shows_shares_and_floors(machine):
    parts = (
        Part(name="sampling, 4 NFE", seconds=1.0, macs=500_000_000, parameters=1000),
        Part(name="one evaluation", seconds=0.25, macs=125_000_000, within=True),
        Part(name="write PNG", seconds=1.0),
    )
    total = Part(name="total", seconds=2.0, macs=500_000_000, parameters=1000)
    timing = UpscaleTiming(
        side=64,
        tokens=64,
        steps=4,
        repeats=3,
        parts=parts,
        total=total,
        work_memory=None,
        process_memory=2_000_000,
        estimated_memory=3_000_000,
    )
    text = render_upscale([timing], machine)
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.split("\n")
        if "|" in line
    }
    assert rows["sampling, 4 NFE"] == ["1.00", "50.0 %", "1.0 k", "500.0 M", "0.500", "50.0 %"]
    assert rows["of which one evaluation"][1] == "12.5 %"
    assert rows["write PNG"] == ["1.00", "50.0 %", "-", "-", "-", "-"]
    assert rows["total"][-1] == "25.0 %"
    assert "64x64 -> 256x256, 64 tokens, 4 steps, cpu float32" in text
    assert "Peak memory: - on top of the loaded model; the process 2 MB (3 MB expected)" in text
