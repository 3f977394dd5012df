"""From published checkpoints to a model trained on: convert, flow, experts, polish, export and upscale, as commands.

The networks are narrow and the crops small, the structure is that of ``sana-600m`` with all its settings.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("pytorch_optimizer")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file
from sana_ranks import DC_AE, NARROW_600M
from sana_weights import diffusers_sana
from training_photos import write_shards

from linearsr.cli.main import run as linearsr
from linearsr.training import presets
from linearsr.training.plans import ValidationPlan


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards") / "photos")


@pytest.fixture
def small_crops(monkeypatch):
    """Crops of 16 LR pixels for the 256 of the preset, and few of them."""
    full = presets.from_sana

    def small(transformer):
        plan = ValidationPlan(crops=2, lr_side=16, flow_every=2, expert_every=2, polish_every=2, denoise_every=2)
        return replace(full(transformer).with_stages(lambda stage: replace(stage, lr_side=16)), validation=plan)

    monkeypatch.setattr(presets, "from_sana", small)
    monkeypatch.setattr("linearsr.convert.sana_geometry", lambda weights: NARROW_600M)


def test_a_converted_checkpoint_is_trained_on_and_upscales(small_crops, photos, perceptual, gemma, tmp_path, capsys):
    from diffusers import AutoencoderDC

    checkpoint, autoencoder, model, run = (tmp_path / name for name in ("sana.safetensors", "dc-ae", "sana", "run"))
    save_file(diffusers_sana(NARROW_600M).state_dict(), checkpoint)
    AutoencoderDC(**DC_AE).save_pretrained(autoencoder)
    converting = [checkpoint, "--autoencoder", autoencoder, "-o", model, "--text-encoder", gemma]
    assert linearsr(["convert", *map(str, converting)]) == 0

    shared = ["--preset=sana-600m", f"--run={run}", f"--photos={photos}", f"--perceptual={perceptual}", "--batch=2"]
    shared += ["--device=cpu", "--quiet"]
    assert linearsr(["train", "flow", *shared, f"--start-from={model}", "--steps=3"]) == 0
    assert json.loads((run / "flow/metrics.jsonl").read_text().splitlines()[-1])["step"] == 2
    start, end = load_file(model / "experts-1.safetensors"), load_file(run / "flow/transformer.safetensors")
    assert not end["patch_in.weight"][:, 32:].equal(start["patch_in.weight"][:, 32:].float()), "the LR has been learned"

    assert linearsr(["train", "experts", *shared, "--steps=2"]) == 0
    assert linearsr(["train", "polish", *shared, "--steps=1"]) == 0
    trained = tmp_path / "trained"
    assert linearsr(["train", "export", f"--run={run}", f"--output={trained}"]) == 0
    assert load_file(trained / "tags.safetensors").keys() == load_file(model / "tags.safetensors").keys()

    upscaling = ["examples/chelsea.png", f"--model={trained}", "--tags=cat", "--max-side=64", "--experts=on-demand"]
    assert linearsr(["upscale", *upscaling, "-o", str(tmp_path / "x.png"), "--json-progress"]) == 0
    done = json.loads(capsys.readouterr().out.splitlines()[-2])
    assert (done["event"], done["tags"]) == ("done", ["cat"])
