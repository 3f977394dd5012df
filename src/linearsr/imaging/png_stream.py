"""Strips as an uncompressed PNG file, piece by piece: what libvips reads from top to bottom without holding it.

Reference: PNG specification, W3C, 2003 (signature, IHDR, IDAT, IEND; stored deflate blocks need no compression time).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from linearsr.imaging.picture import Samples
from linearsr.imaging.strips import Strips

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Samples per pixel -> PNG colour type."""
_PIECE_BYTES = 2**22


def png_stream(strips: Strips) -> Iterator[bytes]:
    """Yield the bytes of the file, in pieces of a few megabytes; rows are asked for as they are needed."""
    color = _COLOR_TYPES[strips.channels]
    header = struct.pack(">IIBBBBB", strips.width, strips.height, strips.depth, color, 0, 0, 0)
    yield _SIGNATURE + _chunk(b"IHDR", header)
    store = zlib.compressobj(0)
    count = max(1, _PIECE_BYTES // strips.row_bytes)
    for rows in strips.rows:
        for top in range(0, len(rows), count):
            yield _chunk(b"IDAT", store.compress(_lines(rows[top : top + count])))
    yield _chunk(b"IDAT", store.flush()) + _chunk(b"IEND", b"")


def _lines(rows: Samples) -> bytes:
    """(n, W, C) samples -> n lines of a filter byte (0, none) and big-endian samples."""
    samples = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">")).view(np.uint8).reshape(len(rows), -1)
    return np.pad(samples, ((0, 0), (1, 0))).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
