"""Fixtures that several folders of tests share."""

from __future__ import annotations

import pytest
from safetensors.torch import save_file
from small_models import (
    alexnet_weights,
    brisque_weights,
    dists_heads,
    niqe_weights,
    seeded,
    small_autoencoder,
    small_pipeline,
    vgg_weights,
)
from small_text_encoder import write_small_encoder

from linearsr.tags.text import MODEL_PACKAGE, load_text_encoder


@pytest.fixture(scope="session")
def perceptual(tmp_path_factory):
    """A folder with random weights for every metric that needs some."""
    folder = tmp_path_factory.mktemp("perceptual")
    builders = {
        "lpips_alexnet": alexnet_weights,
        "lpips_vgg16": vgg_weights,
        "dists": dists_heads,
        "niqe": niqe_weights,
        "brisque": brisque_weights,
    }
    for name, build in builders.items():
        save_file(seeded(0, build), folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Folder of a small model with random weights and a fidelity knob."""
    folder = tmp_path_factory.mktemp("model")
    pipeline = small_pipeline()
    pipeline.knob.faithful = small_autoencoder(1).decoder
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def gemma(tmp_path_factory):
    """Folder of a Gemma-2 with random weights and a tokenizer of its own."""
    pytest.importorskip("transformers")
    from small_gemma import write_small_gemma

    folder = tmp_path_factory.mktemp("gemma")
    write_small_gemma(folder)
    return folder


@pytest.fixture(scope="session")
def text_encoder_package(tmp_path_factory):
    """The package of the sentence encoder, with random weights; its code is not to be run."""
    pytest.importorskip("tokenizers")
    package = tmp_path_factory.mktemp("text") / MODEL_PACKAGE
    write_small_encoder(package / "model")
    (package / "__init__.py").write_text("raise AssertionError")
    return package


@pytest.fixture
def text_encoder(text_encoder_package, monkeypatch):
    """The same, installed."""
    monkeypatch.syspath_prepend(text_encoder_package.parent)
    load_text_encoder.cache_clear()
    yield text_encoder_package
    load_text_encoder.cache_clear()
