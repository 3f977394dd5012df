import pytest
import torch

from linearsr.errors import TrainingError
from linearsr.training.tensors import digest, read_tensors, write_tensors


def test_tensors_and_notes_come_back(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3).t(), "b": torch.tensor(3), "c": torch.zeros(0)}
    write_tensors(tmp_path / "x.safetensors", tensors, geometry="{}")
    read, notes = read_tensors(tmp_path / "x.safetensors", remedy="train again")
    assert notes == {"geometry": "{}"}
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], value) for name, value in tensors.items())


def test_the_same_tensors_and_notes_give_the_same_bytes(tmp_path):
    notes = {f"note{index}": str(index) for index in range(9)}
    for name in "ab":
        write_tensors(tmp_path / name, {"a": torch.zeros(2)}, **notes)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_digest_tells_names_types_shapes_and_bytes_apart():
    tensors = [{"a": torch.zeros(4)}, {"b": torch.zeros(4)}, {"a": torch.zeros(2, 2)}, {"a": -torch.zeros(4)}]
    tensors += [{"a": torch.zeros(4, dtype=torch.int32)}, {"a": torch.zeros(4), "b": torch.zeros(0)}]
    assert len({digest(each) for each in tensors}) == len(tensors)


@pytest.mark.parametrize("content", [None, b"", b"not tensors"])
def test_what_cannot_be_read_is_named_with_the_remedy(tmp_path, content):
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"cannot read .*x.safetensors.*train again"):
        read_tensors(path, remedy="train again")
