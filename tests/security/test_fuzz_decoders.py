"""R6: whatever a file holds, only the package's own errors come out. A process of its own, so that a crash shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import seeds

from linearsr.errors import ImageError
from linearsr.imaging.codec import decode

COUNT = 1000
TESTS = Path(__file__).parents[1]
FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "GIF"]


@pytest.mark.parametrize("form", FORMATS)
def test_only_our_own_errors_escape_a_thousand_mutants(form):
    shown = subprocess.run(
        [sys.executable, str(TESTS / "fuzzing.py"), form, str(COUNT)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert shown.returncode == 0, shown.stderr[-2000:]
    report = json.loads(shown.stdout)
    assert report["escaped"] == []
    assert report["slowest"] < 5
    outcomes = report["outcomes"]
    assert sum(outcomes.values()) == 2 * COUNT
    assert min(outcomes["decode"], outcomes["ImageError"]) > COUNT // 50, "mutants are neither all sound nor all broken"


@pytest.mark.parametrize("form", FORMATS)
def test_the_files_that_are_mutated_are_sound_but_for_one_animation(form):
    problems = []
    for payload in seeds(form):
        try:
            decode(payload)
        except ImageError as error:
            problems.append(str(error))
    assert len(problems) == (form != "JPEG")
    assert all("2 frames" in problem or "animated" in problem for problem in problems)
