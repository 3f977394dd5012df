"""The whole recipe in miniature: shards of photos in, a model that upscales and its card out."""

import csv
import io
import json
import sys
import tarfile
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from recipes_folder import load_recipe
from small_models import AUTOENCODER, TRANSFORMER, photo

from linearsr.data.photos import is_validation
from linearsr.pipeline import SRPipeline

SCORES = ("psnr_y", "ssim_y", "lpips_alex", "dists", "niqe")


@pytest.fixture
def shards(tmp_path):
    """One tar of small photos with its manifest; at least one photo belongs to the validation split."""
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [f"{index:012x}" for index in range(60)]
    held_out = [name for name in names if is_validation(f"camera/{name}.jpg")]
    chosen = [*held_out[:1], *[name for name in names if name not in held_out][:3]]
    with tarfile.open(folder / "train-0000.tar", "w") as archive:
        for seed, name in enumerate(chosen):
            stream = io.BytesIO()
            PIL.Image.fromarray(photo(288, 256, seed)).save(stream, "webp")
            member = tarfile.TarInfo(f"{name}.webp")
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("name", "source", "licence", "original"))
        writer.writerows((name, "camera", "CC0", f"{name}.jpg") for name in chosen)
    return folder


@pytest.fixture
def recipe(monkeypatch):
    """The recipe with a few steps of small crops and a small model."""
    recipe = load_recipe("train_tiny")
    for name in ("BASE", "AUTOENCODER", "FLOW", "EXPERT", "POLISH"):
        monkeypatch.setattr(recipe, name, replace(getattr(recipe, name), steps=2, batch=1, lr_side=32))
    monkeypatch.setattr(recipe, "VALIDATE_EVERY", 1)
    monkeypatch.setattr(recipe, "AutoencoderConfig", lambda: AUTOENCODER)
    monkeypatch.setattr(recipe, "TransformerConfig", lambda: TRANSFORMER)
    return recipe


def test_the_recipe_makes_a_model_that_upscales_and_a_card_that_tells_how(
    tmp_path, monkeypatch, recipe, shards, perceptual
):
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
    assert (out / "SOURCES.csv").read_text().splitlines()[1] == "camera,CC0,4"
    assert json.loads((out / "model_index.json").read_text())["files"]["experts"]["parameters"] > 1000
