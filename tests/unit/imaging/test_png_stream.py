import numpy as np
import pytest
from imaging_samples import noise, pil_open

from linearsr.imaging import png_stream as module
from linearsr.imaging.codec import decode
from linearsr.imaging.picture import Picture
from linearsr.imaging.png_stream import png_stream
from linearsr.imaging.strips import cut

KINDS = [(dtype, colors, alpha) for dtype in (np.uint8, np.uint16) for colors in (1, 3) for alpha in (False, True)]


@pytest.mark.parametrize(("dtype", "colors", "alpha"), KINDS)
def test_the_stream_is_a_png_of_the_same_samples(monkeypatch, dtype, colors, alpha):
    monkeypatch.setattr(module, "_PIECE_BYTES", 1000)
    opacity = noise(300, 7, dtype=dtype, seed=1) if alpha else None
    picture = Picture(color=noise(300, 7, colors, dtype=dtype), alpha=opacity)
    pieces = list(png_stream(cut(picture)))
    back = decode(b"".join(pieces))
    assert len(pieces) > 4
    assert (back.color == picture.color).all()
    assert (back.alpha is None and not alpha) or (back.alpha == picture.alpha).all()


def test_another_decoder_agrees():
    picture = Picture(color=noise(5, 9, 3))
    assert (np.asarray(pil_open(b"".join(png_stream(cut(picture))))) == picture.color).all()


def test_rows_are_made_only_when_they_are_needed():
    made = []
    picture = Picture(color=noise(1024, 4, 3))
    stream = png_stream(cut(picture).map(lambda rows: (made.append(len(rows)), rows)[1]))
    next(stream)
    assert made == []
    next(stream)
    assert made == [256]
