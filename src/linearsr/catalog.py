"""The models inside the package. Needs no torch, so listing them is quick."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

INDEX_NAME = "model_index.json"
"""In the folder of every model: what it is and which files belong to it."""
DEFAULT_MODEL = "tiny"
EMBEDDED = {"tiny": "4x, four experts of 9.2 M parameters, for a laptop CPU; trained by this project"}


def embedded_folder(name: str) -> Path:
    """Folder of an embedded model."""
    return Path(str(files("linearsr") / "weights" / name))
