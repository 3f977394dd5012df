import pytest
import torch
from small_models import awake, randn, seeded

from linearsr.models.swin import PatchMerging, Swin, SwinBlock, SwinConfig, grid_of, windows_of

CONFIG = SwinConfig(width=8, depths=(2, 2), heads=(2, 4), window=4)


def test_windows_hold_neighbours_and_come_back():
    x = torch.arange(2 * 8 * 12).view(2, 8, 12, 1)
    windows = windows_of(x, 4)
    assert windows.shape == (12, 16, 1)
    assert torch.equal(windows[1, :, 0].view(4, 4), x[0, :4, 4:8, 0])
    assert torch.equal(grid_of(windows, (8, 12)), x)


def reach(block, row, column):
    """Tokens of an 8 x 8 grid that notice a change of one token."""
    x = randn(1, 8, 8, 8)
    other = x.clone()
    other[0, row, column] = randn(8, seed=1)
    with torch.inference_mode():
        return (block(x) - block(other)).abs().amax(-1)[0] > 1e-6


@pytest.mark.parametrize(
    ("shifted", "row", "column", "rows", "columns"),
    [
        (False, 3, 3, range(4), range(4)),
        (False, 4, 3, range(4, 8), range(4)),
        (True, 3, 3, range(2, 6), range(2, 6)),
        (True, 0, 0, range(2), range(2)),
        (True, 7, 4, range(6, 8), range(2, 6)),
    ],
)
def test_attention_stays_in_its_window_and_never_crosses_the_edge(shifted, row, column, rows, columns):
    block = seeded(0, lambda: awake(SwinBlock(8, 2, 4, shifted=shifted)))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[rows.start : rows.stop, columns.start : columns.stop] = True
    assert torch.equal(reach(block, row, column), expected)


def test_the_bias_of_an_offset_is_its_own():
    attention = SwinBlock(8, 2, 4, shifted=False).attn
    offsets = attention.offsets.view(4, 4, 4, 4)
    assert offsets[1, 1, 0, 0] == offsets[3, 2, 2, 1] == (1 + 3) * 7 + (1 + 3)
    assert len(offsets.unique()) == 49


def test_four_corners_are_merged_in_the_published_order():
    merging = PatchMerging(2)
    seen = []
    merging.norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.arange(8.0).view(1, 2, 2, 2)
    assert merging(x).shape == (1, 1, 1, 4)
    assert seen[0].flatten().tolist() == [0, 1, 4, 5, 2, 3, 6, 7]


def test_tokens_begin_with_their_mean():
    network = seeded(0, lambda: Swin(CONFIG))
    tokens = network(randn(2, 3, 32, 32))
    assert tokens.shape == (2, 1 + 16, 16)
    torch.testing.assert_close(tokens[:, 0], tokens[:, 1:].mean(1))
