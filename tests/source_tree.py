"""The package's source as syntax trees, for tests that hold rules over all of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import linearsr

ROOT = Path(linearsr.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: ``if TYPE_CHECKING:`` blocks are left out."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from nodes(child)


def imports(tree: ast.AST) -> set[str]:
    """Dotted names of all modules imported, inside functions too; ``from a import b`` counts as a and a.b."""
    names = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names
