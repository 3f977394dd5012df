"""Layers point one way: cli -> pipeline -> models | diffusion | imaging; training -> models | diffusion | data."""

from __future__ import annotations

import ast
import sys

import pytest
from source_tree import FILES, imports, module_name

PARTS = {
    "linearsr.models": {"linearsr.models", "linearsr.jpeg_standard", "linearsr.processor", "linearsr.scratch"},
    "linearsr.diffusion": {"linearsr.diffusion"},
    "linearsr.imaging": {"linearsr.imaging", "linearsr.errors", "linearsr.request", "linearsr.scratch"},
    "linearsr.data": {"linearsr.data", "linearsr.errors", "linearsr.imaging", "linearsr.jpeg_standard"},
    "linearsr.training": {
        "linearsr.training",
        "linearsr.models",
        "linearsr.diffusion",
        "linearsr.data",
        "linearsr.errors",
        "linearsr.tags",
        "linearsr.dc_ae",
        "linearsr.imaging.atomic",
    },
}
"""What a part may import of this package."""
OUTSIDE = {"linearsr.models": {"torch"}, "linearsr.diffusion": {"torch"}}
"""What a part may import of other people's packages, where that is a rule."""
TRITON = {"linearsr.models.kernels": {"triton"}}
"""The one module that may import more, and what; nothing imports it before a GPU needs it."""
TORCH_IN_IMAGING = {"linearsr.imaging.color"}

SOURCES = {module_name(path): imports(ast.parse(path.read_text(encoding="utf-8"))) for path in FILES}


def within(name, parts):
    return any(name == part or name.startswith(part + ".") for part in parts)


def of_part(part):
    found = {module: names for module, names in SOURCES.items() if within(module, {part})}
    assert found, part
    return found


@pytest.mark.parametrize("part", PARTS)
def test_part_imports_only_the_parts_below_it(part):
    for module, names in of_part(part).items():
        wrong = {name for name in names if within(name, {"linearsr"}) and not within(name, PARTS[part])}
        assert wrong <= {"linearsr"}, module


@pytest.mark.parametrize("part", OUTSIDE)
def test_networks_and_diffusion_import_only_torch_and_the_standard_library(part):
    for module, names in of_part(part).items():
        others = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"linearsr"}
        assert others <= OUTSIDE[part] | TRITON.get(module, set()), module


def test_imaging_works_without_torch_except_for_colour_fixes():
    users = {
        module for module, names in of_part("linearsr.imaging").items() if any(within(n, {"torch"}) for n in names)
    }
    assert users == TORCH_IN_IMAGING


def test_nothing_imports_the_command_line_but_itself():
    users = {module for module, names in SOURCES.items() if any(within(name, {"linearsr.cli"}) for name in names)}
    assert {module for module in users if not within(module, {"linearsr.cli"})} == {"linearsr.__main__"}


def test_using_a_model_needs_nothing_of_its_training():
    for module, names in SOURCES.items():
        trainers = {
            "linearsr.training",
            "linearsr.data",
            "linearsr.cli",
            "linearsr.bench.train",
            "linearsr.ablation.training",
            "linearsr.ablation.guidance",
        }
        if not within(module, trainers):
            assert not {name for name in names if within(name, {"linearsr.training", "linearsr.data"})}, module
