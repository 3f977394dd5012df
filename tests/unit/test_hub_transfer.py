"""The real hub client against a hub on loopback: push, fetch, revisions, no network, damage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_stand_in import hub_on_loopback
from small_models import small_pipeline

from linearsr.errors import InputError, ModelError
from linearsr.hub_transfer import is_hub_id, upload

pytest.importorskip("huggingface_hub")
NAMED = "from linearsr.hub import find_model, load_model; print(load_model(find_model({!r})).name)"
PUSHED = (
    "import sys; sys.path.insert(0, {tests!r}); from small_models import small_pipeline; "
    "pipeline = small_pipeline(); pipeline.name = {name!r}; print(pipeline.push_to_hub({model!r}, private={private}))"
)


@pytest.fixture
def hub():
    with hub_on_loopback() as hub:
        yield hub


@pytest.fixture
def run(hub, tmp_path):
    """Run Python in a process of its own: the hub client reads its environment when it is imported."""

    def run(code, **environment):
        paths = os.pathsep.join(path for path in sys.path if path)
        own = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "cache"), "HF_TOKEN": "hf_none", **environment}
        own |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": paths, "NO_PROXY": "*"}
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, env={**os.environ, **own}, capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else done.stderr

    return run


def pushed(model, name, private=False):
    return PUSHED.format(tests=str(Path(__file__).parents[1]), name=name, model=model, private=private)


def test_what_is_pushed_is_fetched_by_name_branch_and_commit_and_kept(hub, run):
    first = run(pushed("owner/name", "first", private=True))
    assert hub.branches["owner/name", "main"] == first
    assert hub.private == {"owner/name": True}
    assert sorted(hub.commits[first]) == ["autoencoder.safetensors", "experts.safetensors", "model_index.json"]
    second = run(pushed("owner/name@next", "second"))
    assert hub.branches["owner/name", "next"] == second
    assert run(NAMED.format("owner/name@next")) == "second"
    assert run(NAMED.format(f"owner/name@{first}")) == "first"
    hub.shutdown()
    assert run(NAMED.format(f"owner/name@{first}"), HF_HUB_OFFLINE="1") == "first"
    assert "ModelError: cannot fetch owner/other" in run(NAMED.format("owner/other"), HF_HUB_OFFLINE="1")


def test_a_damaged_file_and_an_unknown_revision_are_named(hub, run, tmp_path):
    small_pipeline().save_pretrained(tmp_path / "model")
    files = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    files["experts.safetensors"] = files["experts.safetensors"][:-1] + b"\xff"
    files["run.py"] = b"raise SystemExit"
    hub.commit("owner/name", "main", files)
    assert "experts.safetensors has SHA-256" in run(NAMED.format("owner/name"))
    assert not list((tmp_path / "cache").rglob("run.py"))
    assert "ModelError: cannot fetch owner/name@none" in run(NAMED.format("owner/name@none"))


@pytest.mark.parametrize("model", ["owner/name", "owner/name@main", "a.b/c-d@refs/pr/1"])
def test_hub_ids(model):
    assert is_hub_id(model)


@pytest.mark.parametrize("model", ["name", "a/b/c", "owner/name@", "owner/na me", "@main"])
def test_other_names(model, tmp_path):
    assert not is_hub_id(model)
    with pytest.raises(InputError, match="is no name on the hub"):
        upload(tmp_path, model)


def test_a_hub_that_refuses_is_a_model_error(monkeypatch, tmp_path):
    class Refusing:
        def create_repo(self, name, private, exist_ok):
            raise ConnectionError("not yours")

    monkeypatch.setattr("huggingface_hub.HfApi", Refusing)
    with pytest.raises(ModelError, match="cannot push to owner/name: not yours"):
        upload(tmp_path, "owner/name")


def test_a_text_encoder_is_fetched_without_the_model_around_it(hub, run, gemma, tmp_path):
    parts = {path.name: path.read_bytes() for path in gemma.iterdir()}
    around = {"transformer/diffusion.safetensors": b"large", "vae/diffusion.safetensors": b"large"}
    inside = {f"{'tokenizer' if 'token' in name else 'text_encoder'}/{name}": part for name, part in parts.items()}
    hub.commit("owner/sana", "main", inside | around)
    hub.commit("owner/gemma", "main", parts | {"pytorch_model.bin": b"pickle", "modeling.py": b"raise SystemExit"})
    for model in ("owner/sana", "owner/gemma@main"):
        assert run(f"from linearsr.tags.gemma import load_gemma; print(load_gemma({model!r}).width)") == "24"
    fetched = {path.name for path in (tmp_path / "cache").rglob("*")}
    assert not fetched & {"diffusion.safetensors", "pytorch_model.bin", "modeling.py"}
