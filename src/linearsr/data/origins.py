"""Where photos come from and under which licence: read from a CSV that the user gives, written to the manifest."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from linearsr.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the manifest says of a photo's origin."""

    source: str = ""
    licence: str = ""
    original: str = ""
    kind: str = "photo"


def read_origins(path: Path) -> dict[Path, Origin]:
    """Read a CSV with the columns path (relative to the CSV), source and licence, and perhaps original and kind.

    Raises:
        DataError: if it cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return {
                (path.parent / row["path"]).resolve(): Origin(
                    source=row["source"],
                    licence=row["licence"],
                    original=row.get("original") or row["path"],
                    kind=row.get("kind") or "photo",
                )
                for row in csv.DictReader(stream)
            }
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read {path}: {error}", remedy="give it the columns path, source and licence"
        ) from error
