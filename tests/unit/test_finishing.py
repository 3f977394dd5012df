"""Rows of a decoded image become the picture that was asked for, whatever they were cut into."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linearsr.finishing import finish
from linearsr.imaging.picture import Metadata, Picture
from linearsr.request import UpscaleRequest


def source(depth=8, channels=3, *, alpha=False):
    kind = np.uint8 if depth == 8 else np.uint16
    opaque = np.full((3, 5), np.iinfo(kind).max, kind) if alpha else None
    return Picture(color=np.zeros((3, 5, channels), kind), alpha=opaque, metadata=Metadata(xmp=b"x"))


def decoded(value, rows=(5, 7)):
    """A (12, 20) image of one value in [-1, 1], in parts."""
    return (torch.full((1, 3, count, 20), value) for count in rows)


@pytest.mark.parametrize(("depth", "expected"), [(8, 191), (16, 49151)])
def test_values_are_those_of_the_depth(depth, expected):
    result = finish(decoded(0.5), source(depth), UpscaleRequest()).gather()
    assert result.color.shape == (12, 20, 3)
    assert result.depth == depth
    assert np.unique(result.color).tolist() == [expected]


def test_another_depth_can_be_asked_for():
    assert finish(decoded(0.5), source(8), UpscaleRequest(depth="16")).gather().depth == 16


def test_a_grey_picture_stays_grey_by_the_mean_of_the_channels():
    values = torch.tensor([-1.0, 0.0, 0.4]).view(1, 3, 1, 1).expand(1, 3, 12, 20)
    result = finish([values], source(channels=1), UpscaleRequest()).gather()
    assert result.color.shape == (12, 20, 1)
    assert np.unique(result.color).tolist() == [round(255 * (0 + 0.5 + 0.7) / 3)]


@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_alpha_follows_unless_it_is_dropped(choice):
    result = finish(decoded(0.0), source(alpha=True), UpscaleRequest(alpha=choice, width=10)).gather()
    assert result.color.shape[:2] == (6, 10)
    if choice == "drop":
        assert result.alpha is None
    else:
        assert result.alpha.shape == (6, 10)
        assert np.unique(result.alpha).tolist() == [255]


def test_rows_are_reported_as_they_are_made_and_none_before_they_are_asked_for():
    seen = []
    strips = finish(decoded(0.0), source(), UpscaleRequest(), on_rows=lambda done, total: seen.append((done, total)))
    assert seen == []
    strips.gather()
    assert seen == [(5, 12), (12, 12)]


def test_metadata_is_reduced_as_asked():
    kept, stripped = (finish(decoded(0.0), source(), UpscaleRequest(metadata=mode)) for mode in ("keep", "strip"))
    assert (kept.metadata.xmp, stripped.metadata.xmp) == (b"x", None)
