"""R7: weights are safetensors with a SHA-256, and what does not fit is refused by name."""

from __future__ import annotations

import hashlib
import json
import sys
import types
from dataclasses import replace

import pytest
import torch
from small_models import small_autoencoder, small_denoiser, small_experts

from linearsr.errors import InputError, ModelError
from linearsr.hub import EXACT, INDEX_NAME, ModelParts, find_model, load_model, save_model
from linearsr.tags.table import TagTable


def parts():
    return ModelParts(name="small", autoencoder=small_autoencoder(), experts=small_experts())


@pytest.fixture
def folder(tmp_path):
    save_model(parts(), tmp_path, storage=EXACT)
    return tmp_path


def edit(folder, change):
    path = folder / INDEX_NAME
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def weights(model):
    return model.autoencoder.state_dict() | {f"e.{name}": value for name, value in model.experts.state_dict().items()}


def test_float32_model_is_read_back_to_the_bit(folder):
    before, after = parts(), load_model(folder)
    assert after.name == "small"
    assert after.autoencoder.config == before.autoencoder.config
    assert after.experts.config == before.experts.config
    assert weights(after).keys() == weights(before).keys()
    assert all(torch.equal(value, weights(before)[name]) for name, value in weights(after).items())
    assert not after.autoencoder.training
    assert not after.experts.training


@pytest.mark.parametrize("name", ["faithful", "cleaned"])
def test_further_decoders_are_kept_and_one_that_is_not_there_is_not_missed(folder, tmp_path, name):
    decoder = small_autoencoder(1).decoder
    whole = tmp_path / "with it"
    save_model(replace(parts(), **{name: decoder}), whole, storage=EXACT)
    read = getattr(load_model(whole), name)
    assert all(torch.equal(value, decoder.state_dict()[key]) for key, value in read.state_dict().items())
    assert not read.training
    assert getattr(load_model(folder), name) is None


def test_a_denoiser_is_kept_and_one_that_is_not_there_is_not_missed(folder, tmp_path):
    denoiser, whole = small_denoiser(), tmp_path / "with denoiser"
    save_model(replace(parts(), denoiser=denoiser), whole, storage=EXACT)
    read = load_model(whole).denoiser
    assert all(torch.equal(value, denoiser.state_dict()[name]) for name, value in read.state_dict().items())
    assert not read.training
    assert load_model(folder).denoiser is None
    for change, named in (
        (lambda index: index["denoiser"].update(widths=[4, 4]), "widths must be three positive channel counts"),
        (lambda index: index["files"].pop("denoiser"), f"{INDEX_NAME} lacks 'denoiser'"),
    ):
        edit(whole, change)
        with pytest.raises(ModelError, match=named):
            load_model(whole)
        save_model(replace(parts(), denoiser=denoiser), whole, storage=EXACT)


@pytest.mark.parametrize(("storage", "relative"), [("bfloat16", 2**-8), ("int8", 1 / 254)])
def test_smaller_storage_stays_within_its_rounding(tmp_path, storage, relative):
    before = parts()
    save_model(before, tmp_path, storage={"autoencoder": storage, "experts": storage})
    after = weights(load_model(tmp_path))
    for name, value in weights(before).items():
        largest = value.abs() if storage == "bfloat16" else value.reshape(len(value), -1).abs().amax(1)
        bound = largest if storage == "bfloat16" else largest.view(-1, *(1,) * (value.ndim - 1))
        assert after[name].dtype == torch.float32
        assert ((after[name] - value).abs() <= relative * bound * 1.001 + 1e-12).all(), name


@pytest.mark.parametrize("file", ["autoencoder", "experts"])
def test_flipped_bit_is_refused(folder, file):
    path = folder / f"{file}.safetensors"
    payload = bytearray(path.read_bytes())
    payload[len(payload) // 2] ^= 1
    path.write_bytes(payload)
    with pytest.raises(ModelError, match=rf"{file}\.safetensors has SHA-256 .*download"):
        load_model(folder)


@pytest.mark.parametrize("file", ["autoencoder.safetensors", "experts.safetensors", INDEX_NAME])
def test_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(ModelError, match=f"cannot read .*{file}"):
        load_model(folder)


def test_file_that_is_no_safetensors_is_refused_even_with_the_right_digest(folder):
    (folder / "experts.safetensors").write_bytes(b"\x80\x04N.")  # a pickle
    digest = hashlib.sha256(b"\x80\x04N.").hexdigest()
    edit(folder, lambda index: index["files"]["experts"].update(sha256=digest))
    with pytest.raises(ModelError, match=r"cannot read .*experts\.safetensors"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda index: index.update(version=99), "format version 99, this release reads 1"),
        (lambda index: index.update(format="other"), INDEX_NAME),
        (lambda index: index.pop("version"), "format version None"),
        (lambda index: index.pop("name"), f"{INDEX_NAME} lacks 'name'"),
        (lambda index: index.pop("experts"), f"{INDEX_NAME} lacks 'experts'"),
        (lambda index: index["files"].pop("autoencoder"), f"{INDEX_NAME} lacks 'autoencoder'"),
        (lambda index: index["transformer"].update(widht=8), "no field widht"),
        (lambda index: index["transformer"].update(width="8"), "does not fit together"),
        (lambda index: index["transformer"].update(width=32), "size mismatch"),
        (lambda index: index["transformer"].update(heads=3), "width 16 must be a multiple of heads 3"),
        (lambda index: index["autoencoder"].update(depth=2), "Missing key"),
        (lambda index: index["experts"].update(boundaries=[0.5]), "4 expert_files for 2 experts"),
        (lambda index: (index["experts"].update(boundaries=[0.5]), index.pop("expert_files")), "Unexpected key"),
        (lambda index: index.update(expert_files=["../experts"] * 4), r"lacks '\.\./experts'"),
        (lambda index: index.update(expert_files=["autoencoder"] * 4), "'autoencoder' is no file of experts"),
        (lambda index: index["files"].update(experts="x"), "does not fit together"),
        (lambda index: index["experts"].update(boundaries=[float("nan")]), "boundaries must descend"),
        (lambda index: index.update(autoencoder=[]), "AutoencoderConfig must be an object"),
        (lambda index: index.update(files=[]), "does not fit together"),
    ],
)
def test_index_that_does_not_fit_is_refused_by_name(folder, change, named):
    edit(folder, change)
    with pytest.raises(ModelError, match=named) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_index_that_is_no_json_object_is_refused(folder, content):
    (folder / INDEX_NAME).write_bytes(content)
    with pytest.raises(ModelError, match=INDEX_NAME):
        load_model(folder)


def test_index_is_written_last(tmp_path, monkeypatch):
    written = []
    for module in ("hub", "packing"):
        write = lambda path, payload, overwrite: written.append(path.name)  # noqa: E731
        monkeypatch.setattr(f"linearsr.{module}.write_atomically", write)
    save_model(parts(), tmp_path, storage=EXACT)
    assert written == ["autoencoder.safetensors", "experts.safetensors", INDEX_NAME]


def test_folder_is_found_before_names(folder, monkeypatch):
    assert find_model(folder) == folder
    monkeypatch.chdir(folder.parent)
    assert load_model(find_model(folder.name)).name == "small"


def test_embedded_model_is_inside_the_package():
    assert find_model("tiny").parts[-3:] == ("linearsr", "weights", "tiny")


@pytest.mark.parametrize("name", ["nonsense", "a/b/c", "", "owner/na me", "/no/such/folder"])
def test_unknown_model_is_named_with_what_there_is(name):
    with pytest.raises(InputError, match=f"no model '{name}'; use one of tiny, a folder"):
        find_model(name)


def test_hub_id_without_the_hub_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"owner/name needs .*pip install 'linearsr\[hub\]'"):
        find_model("owner/name")


def fake_hub(monkeypatch, download):
    # The real package would need a network.
    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


def test_hub_model_is_fetched_without_anything_executable(monkeypatch, folder):
    asked = []
    fake_hub(monkeypatch, lambda *names, **options: asked.append((names, options)) or str(folder))
    assert load_model(find_model("owner/name")).name == "small"
    assert asked == [(("owner/name",), {"revision": None, "allow_patterns": [INDEX_NAME, "*.safetensors"]})]


def test_failed_download_is_a_model_error(monkeypatch):
    def refuse(*names, **options):
        raise ConnectionError("no route")

    fake_hub(monkeypatch, refuse)
    with pytest.raises(ModelError, match="cannot fetch owner/name: no route"):
        find_model("owner/name")


def test_tokens_of_tags_are_kept_and_a_table_that_is_none_is_named(folder, tmp_path):
    table = TagTable(states={"": torch.zeros(1, 8), "dog": torch.ones(2, 8)})
    save_model(replace(parts(), tag_table=table), tmp_path / "with tags", storage=EXACT)
    assert torch.equal(load_model(tmp_path / "with tags").tag_table.tags(["dog"]), table.tags(["dog"]))
    assert load_model(folder).tag_table is None
    edit(folder, lambda index: index["files"].update(tags=index["files"]["autoencoder"]))
    (folder / "tags.safetensors").write_bytes((folder / "autoencoder.safetensors").read_bytes())
    with pytest.raises(ModelError, match="does not fit together: a table of tags needs"):
        load_model(folder)
