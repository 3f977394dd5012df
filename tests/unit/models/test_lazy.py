"""Rows that are computed where they are needed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small_models import randn

from linearsr.models import lazy

A, B = randn(1, 2, 5, 3), randn(1, 2, 5, 3, seed=1)
CASES = {
    "tensor": (lambda: A, A),
    "sum": (lambda: lazy.add(A, B), A + B),
    "silu": (lambda: lazy.silu(A), F.silu(A)),
    "sum of a sum": (lambda: lazy.add(lazy.add(A, B), B), A + B + B),
    "silu of a sum": (lambda: lazy.silu(lazy.add(A, B)), F.silu(A + B)),
}


def assert_same(values, expected):
    """But for the last bit: some processors round SiLU otherwise where a row does not fill a vector."""
    torch.testing.assert_close(values, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=CASES)
def test_values_are_the_same_wherever_they_are_put(rows, expected):
    x, room = rows(), torch.zeros(1, 2, 9, 3)
    assert x.shape == expected.shape
    assert_same(lazy.evaluated(x), expected)
    lazy.write(x, room[:, :, 3:8])
    assert_same(room[:, :, 3:8], expected)
    assert not room[:, :, :3].any()
    assert not room[:, :, 8:].any()


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=CASES)
def test_parts_are_those_of_the_values(rows, expected):
    parts = lazy.split(rows(), 2)
    assert [part.shape[2] for part in parts] == [2, 2, 1]
    assert_same(torch.cat([lazy.evaluated(part) for part in parts], 2), expected)


def test_nothing_is_computed_before_it_is_needed():
    x, y = A.clone(), torch.zeros_like(A)
    later = lazy.add(x, y)
    y += B
    assert torch.equal(lazy.evaluated(later), x + B)
