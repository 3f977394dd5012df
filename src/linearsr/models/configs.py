"""What all model configurations share: strict reading from JSON and range checks that name the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

ConfigT = TypeVar("ConfigT")


def config_from_dict(kind: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """Build a configuration dataclass from JSON values; lists become tuples.

    Raises:
        ValueError: if it is no object, or naming any unknown key, or the value that fails the class's own checks.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{kind.__name__} must be an object of named values, not {values!r}")
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; known fields: {', '.join(sorted(known))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def check_positive(config: object, *names: str) -> None:
    """Raise ValueError unless every named field is a positive number."""
    for name in names:
        value = getattr(config, name)
        if not value > 0:
            raise ValueError(f"{name} must be positive, not {value}")
