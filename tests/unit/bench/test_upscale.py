import numpy as np
import pytest
import torch
from small_models import small_denoiser, small_pipeline

from linearsr.bench import upscale
from linearsr.bench.macs import count_macs
from linearsr.bench.upscale import Part, UpscaleTiming, render_upscale, time_denoising, time_evaluation, time_upscale
from linearsr.imaging.picture import Picture
from linearsr.models.efficientnet import SIDE, EfficientNetLite0
from linearsr.tags.tagger import Tag


class Dogs:
    """Sees a dog in every picture, and counts how often it was asked."""

    parameters = 7

    def __init__(self):
        self.asked = 0

    def tag(self, image):
        self.asked += 1
        return (Tag("dog", 1.0),)


@pytest.fixture(scope="module")
def timing():
    return time_upscale(small_pipeline(), side=20, steps=2, repeats=2)


def test_the_parts_make_the_whole(timing):
    names = [part.name for part in timing.parts if not part.within]
    assert names == ["read PNG", "tagging", "sampling, 2 NFE", "decoding", "write PNG"]
    whole = [part for part in timing.parts if not part.within and not part.aside]
    assert len(whole) == 4
    assert timing.total.seconds == pytest.approx(sum(part.seconds for part in whole))
    assert timing.total.macs == sum(part.macs for part in whole)
    assert all(part.seconds > 0 for part in timing.parts if part.name != "its transformer")
    assert timing.tokens == 9


def test_sampling_is_as_many_evaluations_as_steps(timing):
    parts = {part.name: part for part in timing.parts}
    assert parts["sampling, 2 NFE"].macs == pytest.approx(2 * parts["one evaluation"].macs, rel=0.05)
    assert 0 < parts["its E_conv"].macs < parts["one evaluation"].macs
    for amount in ("macs", "parameters"):
        inner = sum(getattr(parts[name], amount) for name in ("its E_conv", "its transformer"))
        assert inner == getattr(parts["one evaluation"], amount)
    assert parts["one evaluation"].within


def test_tagging_costs_what_the_tagger_does(timing):
    (tagging,) = (part for part in timing.parts if part.name == "tagging")
    network = EfficientNetLite0()
    assert tagging.parameters == sum(p.numel() for p in network.parameters())
    with torch.inference_mode():
        assert tagging.macs == count_macs(lambda: network(torch.zeros(1, 3, SIDE, SIDE)))
    assert tagging.aside, "the small model takes no tags by itself"


def test_a_denoiser_is_timed_aside_and_its_meter_with_the_whole():
    parts = {
        part.name: part for part in time_denoising(small_pipeline(denoiser=small_denoiser()), noise(40), repeats=1)
    }
    meter, denoiser = parts["looking for noise and blocks"], parts["taking it out, where found"]
    assert (meter.aside, denoiser.aside) == (False, True)
    assert meter.parameters + denoiser.parameters == sum(p.numel() for p in small_denoiser().parameters())
    assert meter.macs < denoiser.macs
    with torch.inference_mode():
        whole = count_macs(lambda: small_denoiser()(torch.zeros(1, 3, 40, 40), torch.ones(1)))
    # Twice for the judge, once to take it out; rows at the edges of strips are computed from padding.
    assert denoiser.macs == pytest.approx(3 * whole, rel=0.5)


def noise(side):
    return Picture(color=np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))


def test_a_model_with_tags_is_tagged_once_and_sampled_with_them():
    pipeline = small_pipeline(guidance="tags", guidance_width=384)
    pipeline.tagger = Dogs()
    timing = time_upscale(pipeline, side=16, steps=1, repeats=3)
    parts = {part.name: part for part in timing.parts}
    assert not parts["tagging"].aside
    assert parts["tagging"].parameters == Dogs.parameters
    assert timing.total.parameters == sum(part.parameters for part in timing.parts if not part.within)
    # Once for the request of all runs; to be timed once for its multiply-adds, once to warm up, and three times.
    assert pipeline.tagger.asked == 1 + 2 + 3


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
    assert [part.name for part in parts[2:]] == ["its transformer", "one evaluation as a CUDA graph"]
    assert parts[3].macs == parts[0].macs


def test_the_table_shows_shares_and_floors(machine):
    parts = (
        Part(name="tagging", seconds=0.5, macs=250_000_000, parameters=4_700_000, aside=True),
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
    assert rows["not in it: tagging"] == ["0.500", "-", "4.7 M", "250.0 M", "0.250", "50.0 %"]
    assert rows["of which one evaluation"][1] == "12.5 %"
    assert rows["write PNG"] == ["1.00", "50.0 %", "-", "-", "-", "-"]
    assert rows["total"][-1] == "25.0 %"
    assert "64x64 -> 256x256, 64 tokens, 4 steps, cpu float32" in text
    assert "Peak memory: - on top of the loaded model; the process 2 MB (3 MB expected)" in text
