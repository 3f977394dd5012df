import pytest
import torch
from small_models import randn

from linearsr.models.token_store import TokenStore


@pytest.mark.parametrize("file_above", [0, 10**9], ids=["file", "memory"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_written_is_read_in_any_cut(file_above, dtype):
    rows = randn(7, 12).to(dtype)
    store = TokenStore(7, 12, rows, file_above=file_above)
    for top, bottom in ((0, 3), (3, 7)):
        store.write(top, rows[top:bottom])
    for top, bottom in ((0, 7), (2, 5), (6, 7)):
        assert torch.equal(store.read(top, bottom), rows[top:bottom])
    store.write(2, rows[:2] + 1)
    assert torch.equal(store.read(2, 4), rows[:2] + 1)
    assert torch.equal(store.read(4, 7), rows[4:])
    store.close()


def test_a_file_holds_no_tensor():
    small, large = TokenStore(4, 4, torch.zeros(1), file_above=64), TokenStore(4, 4, torch.zeros(1), file_above=63)
    assert (small._file, large._tensor) == (None, None)
    file = large._file
    for store in (small, large):
        store.close()
    assert file.closed
    assert small._tensor is None
