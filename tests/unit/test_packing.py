"""Rounding for storage, and files that are read only if they are the expected ones."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save
from small_models import small_experts

from linearsr.errors import ModelError
from linearsr.packing import SCALE_SUFFIX, pack, read_packed, unpack, write_packed


def test_int8_shrinks_matrices_and_keeps_vectors_and_tables_exact():
    before = small_experts().state_dict()
    packed = pack(before, "int8")
    for name, value in before.items():
        is_table = value.ndim < 2 or name.endswith(("modulation", "modulation_out", "null_token"))
        assert packed[name].dtype == (torch.float32 if is_table else torch.int8), name
        assert (name + SCALE_SUFFIX in packed) == (not is_table)
        assert not is_table or torch.equal(unpack(packed)[name], value)
    assert len(save(packed)) < 0.5 * len(save(before))


def test_int8_keeps_zero_rows_zero():
    assert torch.equal(unpack(pack({"weight": torch.zeros(2, 3)}, "int8"))["weight"], torch.zeros(2, 3))


def test_a_part_of_a_file_is_read_by_the_start_of_its_names(tmp_path):
    weights = {"a.x": torch.ones(2), "a.y": torch.zeros(3), "b.x": torch.full((2,), 7.0)}
    entry = write_packed(tmp_path / "x.safetensors", weights, "float32")
    assert entry["storage"] == "float32"
    part = read_packed(tmp_path / "x.safetensors", entry["sha256"], prefix="a.")
    assert part.keys() == {"x", "y"}
    assert torch.equal(part["x"], torch.ones(2))


def test_weights_do_not_change_with_the_file_once_read(tmp_path):
    path = tmp_path / "x.safetensors"
    entry = write_packed(path, {"x": torch.ones(4096)}, "float32")
    read = read_packed(path, entry["sha256"])
    with path.open("r+b") as file:  # in place: the same bytes that a mapping would show
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    assert torch.equal(read["x"], torch.ones(4096))
    with pytest.raises(ModelError, match="has SHA-256"):
        read_packed(path, entry["sha256"])
