"""Bytes handed from the thread that makes them to one that uses them up, a few pieces ahead at most."""

from __future__ import annotations

import queue
from collections.abc import Iterable
from concurrent.futures import Future

_PIECES_AHEAD = 2
_PATIENCE = 0.1
"""Seconds until the giving thread looks whether the other is still there."""


class Handover:
    """A pipe between two threads. It never blocks a giver whose taker has ended, nor a taker whose giver has."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes] = queue.Queue(_PIECES_AHEAD)
        self._rest = memoryview(b"")
        self._ended = False

    def give(self, pieces: Iterable[bytes], taker: Future[None]) -> None:
        """Hand over all pieces, or as many as ``taker`` wants; an error in making them counts as their end."""
        try:
            for piece in pieces:
                if piece and not self._put(piece, taker):
                    return
        finally:
            self._put(b"", taker)

    def take(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        if not self._rest and not self._ended:
            self._rest = memoryview(self._pieces.get())
            self._ended = not self._rest
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)

    def _put(self, piece: bytes, taker: Future[None]) -> bool:
        while not taker.done():
            try:
                self._pieces.put(piece, timeout=_PATIENCE)
                return True
            except queue.Full:
                continue
        return False
