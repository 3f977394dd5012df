"""The whole recipe in miniature: shards of photos in, a model that upscales and its card out."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from recipes_folder import load_recipe
from small_models import photo
from training_photos import write_shards

from linearsr.pipeline import SRPipeline
from linearsr.training.presets import ci

SCORES = ("psnr_y", "ssim_y", "lpips_alex", "dists", "niqe")


@pytest.fixture
def recipe(monkeypatch):
    """The recipe with a few steps of small crops and a small model."""
    recipe = load_recipe("train_tiny")
    small = ci()
    stages = {
        name: replace(getattr(small, name), steps=2) for name in ("base", "autoencoder", "flow", "expert", "polish")
    }
    validation = replace(small.validation, flow_every=1, expert_every=1, polish_every=1)
    monkeypatch.setattr(recipe, "tiny", lambda: replace(small, validation=validation, **stages))
    return recipe


def test_the_recipe_makes_a_model_that_upscales_and_a_card_that_tells_how(tmp_path, monkeypatch, recipe, perceptual):
    shards = write_shards(tmp_path / "photos")
    run, out = tmp_path / "run", tmp_path / "tiny"
    arguments = {"photos": shards, "perceptual": perceptual, "run": run, "out": out}
    monkeypatch.setattr(sys, "argv", ["train_tiny", *(f"--{name}={value}" for name, value in arguments.items())])
    recipe.main()
    image = SRPipeline.from_pretrained(out, device="cpu")(photo(9, 11)).images[0]
    assert image.size == (44, 36)
    assert np.asarray(image).std() > 1

    scores = tmp_path / "scores"
    scores.mkdir()
    for method in ("bicubic", "tiny"):
        with (scores / f"{method}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("image", *SCORES))
            writer.writerows([("a", 20, 0.5, 0.4, 0.3, 6), ("b", 30, 0.7, 0.2, 0.1, 8)])
    card = load_recipe("model_card")
    monkeypatch.setattr(
        sys, "argv", ["card", f"--model={out}", f"--run={run}", f"--photos={shards}", f"--scores={scores}"]
    )
    card.main()
    text = (out / "README.md").read_text()
    assert "| tiny | 25.00 | 0.600 | 0.300 | 0.200 | 7.00 |" in text
    assert "4 crops of photos from 1 sources" in text
    assert "| polish | 2 |" in text
    earlier = tmp_path / "earlier.md"
    earlier.write_text(text)
    monkeypatch.setattr(sys, "argv", [*sys.argv, f"--continues={earlier}"])
    card.main()
    continued = (out / "README.md").read_text()
    assert "| polish-2 | 2 |" in continued
    assert continued.replace("-2 |", " |").count("| polish | 2 |") == 2
    assert (out / "SOURCES.csv").read_text().splitlines()[1] == "camera,CC0,4"
    assert json.loads((out / "model_index.json").read_text())["files"]["experts"]["parameters"] > 1000
