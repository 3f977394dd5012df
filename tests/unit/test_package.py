from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import linearsr
from linearsr.catalog import DEFAULT_MODEL, EMBEDDED, embedded_folder


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("module", ["linearsr", "linearsr.cli.main", "linearsr.catalog", "linearsr.request"])
def test_importing_it_does_not_import_torch(module):
    """R26: help and listing models are quick."""
    result = run(f"import sys, {module}; print(sorted({{'torch', 'pyvips', 'numpy'}} & sys.modules.keys()))")
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


def test_first_use_of_a_lazy_name_imports_torch():
    assert run("import sys, linearsr; linearsr.SRPipeline; print('torch' in sys.modules)").stdout.strip() == "True"


def test_every_public_name_is_there():
    assert all(getattr(linearsr, name) is not None for name in linearsr.__all__)
    assert linearsr.upscale is linearsr.api.upscale
    assert linearsr.SRPipeline is linearsr.pipeline.SRPipeline


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'linearsr' has no attribute 'upscail'"):
        _ = linearsr.upscail


def test_version_and_typing_marker():
    assert re.fullmatch(r"\d+\.\d+\.\d+", linearsr.__version__)
    assert (Path(linearsr.__file__).parent / "py.typed").is_file()


def test_default_model_is_embedded():
    assert DEFAULT_MODEL in EMBEDDED
    assert embedded_folder(DEFAULT_MODEL) == Path(linearsr.__file__).parent / "weights" / DEFAULT_MODEL
