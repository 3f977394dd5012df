from __future__ import annotations

import mmap

import pytest
import torch

import linearsr.scratch
from linearsr.models.large import roomy_empty


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("limit", "in_file"), [(2 * 3 * 4 * 4, False), (2 * 3 * 4 * 2 - 1, True)])
def test_a_tensor_is_in_a_file_if_it_is_large(monkeypatch, dtype, limit, in_file):
    files = []

    def mapped_file(count):
        files.append(mmap.mmap(-1, count))
        return files[0]

    monkeypatch.setattr(linearsr.scratch, "FILE_ABOVE_BYTES", limit)
    monkeypatch.setattr("linearsr.models.large.mapped_file", mapped_file)
    tensor = roomy_empty((2, 3, 4), torch.zeros(1, dtype=dtype))
    assert (tensor.shape, tensor.dtype, len(files)) == ((2, 3, 4), dtype, in_file)
    tensor[1] = torch.ones(3, 4)
    assert float(tensor[1].sum()) == 12


def test_on_other_devices_it_stays(monkeypatch):
    monkeypatch.setattr(linearsr.scratch, "FILE_ABOVE_BYTES", 0)
    assert roomy_empty((2, 3), torch.zeros(1, device="meta")).is_meta
