"""Networks fed row by row give what they give when fed at once."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from small_models import randn, seeded
from torch import nn

from linearsr.models.autoencoder import Downsample, ResidualBlock, Upsample
from linearsr.models.rows import ConvRows, RowQueue, cascade, join_rows, row_stream

NETWORKS = {
    "3x3": lambda: nn.Conv2d(4, 5, 3, padding=1),
    "1x1": lambda: nn.Conv2d(4, 5, 1),
    "unpadded": lambda: nn.Conv2d(4, 5, 3),
    "strided": lambda: nn.Conv2d(4, 5, 4, stride=2, padding=1),
    "depth-wise": lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4),
    "residual": lambda: ResidualBlock(4),
    "down": lambda: Downsample(4, 6),
    "up": lambda: Upsample(4, 6),
    "deep": lambda: nn.Sequential(ResidualBlock(4), Downsample(4, 6), nn.SiLU(), Upsample(6, 4), ResidualBlock(4)),
}


def in_rows(module, x, rows):
    stream = row_stream(module)
    height = x.shape[2]
    parts = [stream.push(x[:, :, top : top + rows], last=top + rows >= height) for top in range(0, height, rows)]
    return join_rows(*parts)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rows", [1, 2, 3, 8, 16])
def test_rows_give_what_the_whole_gives(name, rows):
    module = seeded(0, NETWORKS[name]).double()
    x = randn(1, 4, 16, 6).double()
    with torch.no_grad():
        torch.testing.assert_close(in_rows(module, x, rows), module(x), rtol=0, atol=1e-12)


def test_a_stream_hands_out_rows_as_soon_as_they_are_complete():
    stream = row_stream(NETWORKS["3x3"]())
    x = randn(1, 4, 4, 6)
    heights = [stream.push(x[:, :, row : row + 1], last=row == 3) for row in range(4)]
    assert heights[0] is None
    assert [part.shape[2] for part in heights[1:]] == [1, 1, 2]
    assert stream.push(None, last=False) is None


def test_an_empty_last_push_closes_the_stream():
    module = NETWORKS["deep"]().double()
    x = randn(1, 4, 8, 6).double()
    stream = row_stream(module)
    with torch.no_grad():
        parts = [stream.push(x, last=False), stream.push(None, last=True)]
        torch.testing.assert_close(join_rows(*parts), module(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sides", [(True, True), (True, False), (False, True)])
def test_given_rows_stand_in_for_the_padding(sides):
    module = NETWORKS["3x3"]().double()
    x = randn(1, 4, 9, 6).double()
    low, high = (3 if sides[0] else 0), (6 if sides[1] else 9)
    above, below = (x[:, :, 2:3] if sides[0] else None), (x[:, :, 6:7] if sides[1] else None)
    stream = ConvRows(module, above, below)
    with torch.no_grad():
        parts = [stream.push(x[:, :, row : row + 1], last=row == high - 1) for row in range(low, high)]
        torch.testing.assert_close(join_rows(*parts), module(x)[:, :, low:high], rtol=0, atol=1e-12)


def test_a_stream_holds_on_to_nothing_but_the_rows_it_needs():
    def held():
        storages = [value.untyped_storage() for value in gc.get_objects() if type(value) is torch.Tensor]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    before = held()
    stream = row_stream(NETWORKS["3x3"]().requires_grad_(False))
    weights = held() - before
    for _ in range(3):
        stream.push(torch.zeros(1, 4, 16, 6), last=False)
    assert held() - before - weights == 2 * 4 * 6 * 4  # two rows of four channels and six columns, in float32


def test_memory_format_survives():
    x = randn(1, 4, 8, 6).contiguous(memory_format=torch.channels_last)
    parts = join_rows(x[:, :, :3], x[:, :, 3:])
    assert torch.equal(parts, x)
    assert parts.is_contiguous(memory_format=torch.channels_last)


def test_a_queue_returns_rows_in_order_across_its_parts():
    x, queue = randn(1, 2, 10, 3), RowQueue()
    queue.put(x[:, :, :4])
    queue.put(None)
    queue.put(x[:, :, 4:])
    taken = [queue.take(count) for count in (3, 1, 5, 1)]
    assert torch.equal(torch.cat(taken, 2), x)


def test_a_queue_works_in_the_same_memory_again_and_again():
    x, queue = randn(1, 2, 60, 3), RowQueue()
    queue.put(x[:, :, :7])
    places, taken = set(), []
    for top in range(7, 52, 5):
        taken.append(queue.take(5).clone())
        queue.put(x[:, :, top : top + 5])
        places.add(queue._ring.data_ptr())
    assert len(places) == 1
    assert torch.equal(torch.cat([*taken, queue.take(7)], 2), x[:, :, :52])


def test_a_cascade_passes_few_rows_on_at_a_time_even_at_the_end():
    blocks = nn.ModuleList(ResidualBlock(4) for _ in range(5)).double()
    x = randn(1, 4, 20, 6).double()

    class Watched:
        def __init__(self, stream):
            self._stream, self.most = stream, 0

        def push(self, x, *, last):
            self.most = max(self.most, 0 if x is None else x.shape[2])
            return self._stream.push(x, last=last)

    with torch.no_grad():
        steps = [(Watched(row_stream(block)), rows) for block, rows in zip(blocks, (3, 3, 2, 2, 3), strict=True)]
        parts = list(cascade(steps, x, last=True))
        torch.testing.assert_close(join_rows(*parts), nn.Sequential(*blocks)(x), rtol=0, atol=1e-12)
    assert [stream.most for stream, _ in steps] == [3, 3, 2, 2, 3]


def test_a_cascade_holds_no_rows_that_the_next_stream_has():
    held = []

    class Remembering:
        def push(self, x, *, last):
            result = x + 1
            held.append(weakref.ref(result))
            return result

    steps = [(Remembering(), 2) for _ in range(6)]
    for _ in cascade(steps, torch.zeros(1, 1, 2, 3), last=True):
        assert sum(reference() is not None for reference in held) == 1


def test_a_module_that_mixes_rows_is_refused():
    with pytest.raises(TypeError, match="BatchNorm2d cannot be computed row by row"):
        row_stream(nn.Sequential(nn.SiLU(), nn.BatchNorm2d(4)))
