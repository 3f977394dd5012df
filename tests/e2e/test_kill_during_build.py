"""A build of training shards that is killed leaves nothing, and the next one is whole."""

import os
import random
import signal
import subprocess
import sys
import time

import PIL.Image
from small_models import photo

from linearsr.data.shards import check_shards

KILLS = 12
BUILDER = """
import sys
from pathlib import Path
from linearsr.data.build import build_shards
from linearsr.data.prepare import BuildOptions

print("ready", flush=True)
build_shards([Path(sys.argv[1])], Path(sys.argv[2]), BuildOptions(min_side=16, crop=32, crops=20))
"""


def start(folder, out):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    builder = subprocess.Popen([sys.executable, "-c", BUILDER, folder, out], stdout=subprocess.PIPE, env=environment)
    assert builder.stdout.readline() == b"ready\n"
    return builder


def test_a_kill_at_any_moment_leaves_a_whole_folder_or_none(tmp_path):
    (tmp_path / "in").mkdir()
    for seed in range(12):
        PIL.Image.fromarray(photo(160, 160, seed)).save(tmp_path / f"in/{seed}.png")
    out = tmp_path / "out"
    started = time.perf_counter()
    with start(tmp_path / "in", out) as builder:
        assert builder.wait() == 0
    needed = time.perf_counter() - started
    reference = {path.name: path.read_bytes() for path in out.iterdir()}
    delays, interrupted = random.Random(0), 0
    for _ in range(KILLS):
        for path in out.glob("*"):
            path.unlink()
        with start(tmp_path / "in", out) as builder:
            time.sleep(delays.uniform(0, needed))
            builder.send_signal(signal.SIGKILL)
        left = {path.name: path.read_bytes() for path in out.glob("*")}
        assert left in ({}, reference)
        interrupted += (tmp_path / ".out.part").exists()
    assert interrupted > 0, "no kill fell into the build: the delays are wrong"
    with start(tmp_path / "in", tmp_path / "again") as builder:
        assert builder.wait() == 0
    assert list(check_shards(tmp_path / "again", lambda key: None)) == []
