"""R7, R8, R15: what may not be written anywhere in the package."""

from __future__ import annotations

import ast

import pytest
from source_tree import FILES, ROOT, imports, module_name, nodes

FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "yaml"}
FORBIDDEN_BUILTINS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("torch.hub", "load"),
    ("torch.jit", "load"),
    ("np", "load"),
    ("numpy", "load"),
    ("yaml", "load"),
    ("os", "system"),
    ("os", "popen"),
}
PUBLISHED_WEIGHTS = "linearsr.weight_files"
"""The one place that reads PyTorch files, which others publish: tensors only, in torch's own restricted reader."""
VERB_TABLE = "linearsr.cli.main"
"""The one place that imports a module by a name put together, out of a fixed table."""

TREES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def violations(tree, module="example"):
    found = [name for name in imports(tree) if name.split(".")[0] in FORBIDDEN_MODULES]
    for node in nodes(tree):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            is_judged_as_call = module == PUBLISHED_WEIGHTS and name == "torch.load"
            forbidden = (ast.unparse(node.value), node.attr) in FORBIDDEN_ATTRIBUTES and not is_judged_as_call
            if node.attr == "nan_to_num" or forbidden:
                found.append(name)
        elif isinstance(node, ast.Name) and node.id == "nan_to_num":
            found.append(node.id)
        elif isinstance(node, ast.keyword) and (node.arg, ast.unparse(node.value)) in {
            ("allow_pickle", "True"),
            ("weights_only", "False"),
            ("shell", "True"),
        }:
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call):
            found += call_violations(node, module)
    return found


def call_violations(call, module):
    name = ast.unparse(call.func)
    if name.removeprefix("builtins.") in FORBIDDEN_BUILTINS:
        return [name]
    if name == "torch.load" and module == PUBLISHED_WEIGHTS:
        return [] if any(ast.unparse(keyword) == "weights_only=True" for keyword in call.keywords) else [name]
    literal = bool(call.args) and isinstance(call.args[0], ast.Constant)
    if name.split(".")[-1] == "import_module" and not literal and module != VERB_TABLE:
        return [name]
    return []


@pytest.mark.parametrize("module", TREES)
def test_source_keeps_the_rules(module):
    assert violations(TREES[module], module) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import yaml",
        "torch.load(path)",
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "builtins.eval(text)",
        "exec(text)",
        "compile(text, 'x', 'exec')",
        "importlib.import_module(name)",
        "import_module(f'a.{name}')",
        "__import__(name)",
        "torch.nan_to_num(x)",
        "x.nan_to_num()",
        "subprocess.run(command, shell=True)",
    ],
)
def test_the_rules_would_notice(code):
    assert violations(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code", ["re.compile('x')", "model.eval()", "import_module('linearsr.cli.main')", "json.load(f)"]
)
def test_the_rules_allow_what_is_harmless(code):
    assert violations(ast.parse(code)) == []


def test_verb_table_imports_only_listed_verbs_of_its_own_package():
    calls = [ast.unparse(node) for node in nodes(TREES[VERB_TABLE]) if isinstance(node, ast.Call)]
    assert [call for call in calls if call.startswith("import_module")] == ["import_module(f'linearsr.cli.{cmd_name}')"]
    source = (ROOT / "cli" / "main.py").read_text(encoding="utf-8")
    assert source.index("if cmd_name not in VERBS") < source.index("import_module(f")


def test_every_shipped_data_file_is_safetensors_json_or_a_text_to_read():
    suffixes = {path.suffix for path in (ROOT / "weights").rglob("*") if path.is_file()}
    assert suffixes <= {".safetensors", ".json", ".md", ".csv"}


def test_pytorch_files_are_read_in_one_place_and_restricted():
    plain, restricted = (ast.parse(f"torch.load(path{more})") for more in ("", ", weights_only=True"))
    assert violations(restricted, PUBLISHED_WEIGHTS) == []
    assert violations(plain, PUBLISHED_WEIGHTS) == ["torch.load"]
    assert "torch.load" in violations(restricted)
