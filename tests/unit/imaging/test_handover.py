from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from linearsr.imaging.handover import Handover


def read_all(handover: Handover, size: int) -> list[bytes]:
    taken = []
    while part := handover.take(size):
        taken.append(part)
    return taken


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_everything_arrives_in_order_and_no_more_than_asked_for(size):
    handover = Handover()
    pieces = [bytes([value]) * value for value in range(20)]
    with ThreadPoolExecutor(1) as threads:
        taker = threads.submit(read_all, handover, size)
        handover.give(pieces, taker)
    assert b"".join(taker.result()) == b"".join(pieces)
    assert max(map(len, taker.result())) <= size
    assert handover.take(size) == b""


def test_a_taker_that_has_ended_stops_the_giver():
    made, handover = [], Handover()
    ended: Future[None] = Future()

    def pieces():
        for index in range(1000):
            made.append(index)
            if index == 5:
                ended.set_result(None)
            yield b"x"
            if index < 5:
                handover.take(1)

    handover.give(pieces(), ended)
    assert made == [0, 1, 2, 3, 4, 5]


def test_an_error_of_the_giver_is_raised_and_ends_the_stream():
    def pieces():
        yield b"abc"
        raise ValueError("no more")

    handover = Handover()
    with pytest.raises(ValueError, match="no more"):
        handover.give(pieces(), Future())
    assert read_all(handover, 10) == [b"abc"]
