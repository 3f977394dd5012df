"""Rows of tokens, in memory as long as they are few, else in a file that takes no memory."""

from __future__ import annotations

import tempfile
from typing import BinaryIO

import torch
from torch import Tensor

FILE_ABOVE_BYTES = 2**29
"""Tokens of an image of 512 megapixels in the embedded model's float32; more go to a file."""


class TokenStore:
    """``rows`` x ``row_size`` values of the dtype and device of ``example``; rows are written before they are read."""

    def __init__(self, rows: int, row_size: int, example: Tensor, *, file_above: int = FILE_ABOVE_BYTES) -> None:
        self._row_size, self._example = row_size, example
        self._row_bytes = row_size * example.element_size()
        self._file: BinaryIO | None = None
        self._tensor: Tensor | None = None
        # Accelerator memory is what is scarce there, but a file would be far slower than the card: tokens stay on it.
        if example.device.type == "cpu" and rows * self._row_bytes > file_above:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
        else:
            self._tensor = example.new_empty((rows, row_size))

    def read(self, top: int, bottom: int) -> Tensor:
        """Return rows ``top`` to ``bottom``, (bottom - top, row_size)."""
        if self._file is None:
            assert self._tensor is not None, "a store has a tensor or a file"
            return self._tensor[top:bottom]
        rows = self._example.new_empty((bottom - top, self._row_size))
        self._file.seek(top * self._row_bytes)
        self._file.readinto(rows.view(torch.uint8).numpy())  # type: ignore[attr-defined]
        return rows

    def write(self, top: int, rows: Tensor) -> None:
        """Put ``rows`` (n, row_size) at row ``top``."""
        if self._file is None:
            assert self._tensor is not None, "a store has a tensor or a file"
            self._tensor[top : top + len(rows)] = rows
            return
        self._file.seek(top * self._row_bytes)
        self._file.write(rows.contiguous().view(torch.uint8).numpy().data)

    def close(self) -> None:
        """Give the memory, or the file, back."""
        self._tensor = None
        if self._file is not None:
            self._file.close()
