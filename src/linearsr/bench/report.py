"""A benchmark's result for people and for programs, each with the machine and the command that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from linearsr.bench.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Report:
    """``values`` are dataclasses and lists of them by name; ``text`` is Markdown."""

    name: str
    command: str
    machine: Machine
    values: Mapping[str, Any]
    text: str

    def markdown(self) -> str:
        """The text, and the command below it."""
        return f"{self.text}\nMade by `{self.command}`.\n"

    def json(self) -> str:
        """Everything but the text."""
        found = {"benchmark": self.name, "command": self.command, "machine": asdict(self.machine)}
        return json.dumps(found | {name: _plain(value) for name, value in self.values.items()}, indent=2) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
