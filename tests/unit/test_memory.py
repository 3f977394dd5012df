import json

import pytest
import torch

from linearsr.catalog import embedded_folder
from linearsr.memory import BASE_BYTES, WHOLE_LIMIT, StripPlan, estimate_peak_memory, is_measured, plan_strips


@pytest.mark.parametrize(
    ("width", "height", "tile", "decoder", "transformer"),
    [
        (64, 64, None, 64, 8),
        (256, 256, None, 256, 32),
        (264, 256, None, 62, 32),
        (9000, 9000, 0, 9000, 1125),
        (2000, 2000, None, 16, 8),
        (9000, 9000, 128, 1, 1),
        (100, 2000, 128, 157, 19),
        (10, 10, 128, 16, 2),
        (8, 80_000, None, 2048, 2048),
        (80_000, 8, None, 1, 1),
    ],
)
def test_strips_are_about_as_large_as_the_square_asked_for(width, height, tile, decoder, transformer):
    plan = plan_strips(width, height, tile)
    assert (plan.decoder_rows, plan.transformer_rows) == (decoder, transformer)


def test_an_automatic_strip_is_tall_where_it_takes_no_more_than_twice_the_area():
    assert [plan_strips(width, 5000, None).decoder_rows for width in (1024, 1032, 2048, 2056, 16_384)] == [
        16,
        16,
        16,
        7,
        1,
    ]
    assert plan_strips(2000, 2000, 128).decoder_rows == 8


def test_in_16_bits_a_strip_has_twice_the_area():
    half = torch.empty(0, dtype=torch.bfloat16)
    rows = {width: plan_strips(width, 5000, None, like=half).decoder_rows for width in (512, 1024, 4096, 4104)}
    assert rows == {512: 64, 1024: 32, 4096: 16, 4104: 7}
    assert plan_strips(2000, 2000, 128, like=half) == plan_strips(2000, 2000, 128), "what was asked for is kept"


def test_an_accelerator_gets_longer_strips():
    for dtype in (torch.float32, torch.bfloat16):
        there = torch.empty(0, device="meta", dtype=dtype)
        assert plan_strips(1000, 1000, None, like=there).decoder_rows == 1000
        assert plan_strips(4000, 4000, None, like=there) == StripPlan(decoder_rows=262, transformer_rows=32)


def test_halving_ends_at_one_row():
    plan, heights = StripPlan(decoder_rows=5, transformer_rows=8), []
    while plan is not None:
        heights.append((plan.decoder_rows, plan.transformer_rows))
        plan = plan.halved
    assert heights == [(5, 8), (2, 4), (1, 2), (1, 1)]


def test_the_estimate_grows_with_the_image_and_never_falls_below_the_base():
    sizes = [estimate_peak_memory(side, side, tile=0) for side in (1, 64, 256, 1024)]
    assert sizes[0] > BASE_BYTES
    assert sizes == sorted(set(sizes))


def test_strips_lower_the_estimate_of_a_large_image_and_leave_a_small_one():
    assert estimate_peak_memory(4000, 4000) < estimate_peak_memory(4000, 4000, tile=0) / 10
    assert estimate_peak_memory(100, 50, tile=512) == estimate_peak_memory(100, 50, tile=0)
    assert WHOLE_LIMIT >= 256 * 256, "the usual small photo is decoded in one piece"


def test_what_lies_in_files_takes_no_memory():
    assert estimate_peak_memory(11_180, 11_180) < 1.4e9 < 9 * 11_180**2 + BASE_BYTES


def test_the_estimate_holds_for_the_embedded_model_and_for_decoders_of_its_geometry(tmp_path):
    assert is_measured("tiny")
    index = json.loads((embedded_folder("tiny") / "model_index.json").read_text())
    for name, autoencoder in (("same", index["autoencoder"]), ("deep", {"latent_channels": 32, "network": {}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text(json.dumps({"autoencoder": autoencoder}))
    assert is_measured(str(tmp_path / "same"))
    assert not is_measured(str(tmp_path / "deep"))


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_of_what_is_no_model_or_not_here_nothing_is_known(tmp_path, content):
    (tmp_path / "model_index.json").write_text(content)
    assert not is_measured(str(tmp_path))
    assert not is_measured("owner/name")
