"""R9: a process that is killed while writing leaves a whole file or none."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from linearsr.imaging.atomic import write_atomically

KILLS = 50
WRITER = """
import hashlib, os, sys
from pathlib import Path
from linearsr.imaging.atomic import write_atomically

folder, overwrite = Path(sys.argv[1]), sys.argv[2] == "overwrite"
print("ready", flush=True)
number = 0
while True:
    body = os.urandom(4096) * (50 + number % 7 * 100)
    name = "target" if overwrite else f"target{number}"
    write_atomically(folder / name, hashlib.sha256(body).digest() + body, overwrite=overwrite)
    number += 1
"""


def is_whole(payload: bytes) -> bool:
    return len(payload) > 32 and hashlib.sha256(payload[32:]).digest() == payload[:32]


def kill_after(seconds: float, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as writer:
        assert writer.stdout.readline() == b"ready\n", writer.stderr.read()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        errors = writer.stderr.read()
    assert (writer.returncode, errors) == (-signal.SIGKILL, b"")


@pytest.mark.parametrize("mode", ["overwrite", "new"])
def test_a_kill_at_any_moment_leaves_whole_files_or_none(mode, tmp_path):
    delays = random.Random(mode)
    absent = interrupted = 0
    for _ in range(KILLS):
        kill_after(delays.uniform(0, 0.04), str(tmp_path), mode)
        targets = list(tmp_path.glob("target*"))
        assert all(is_whole(path.read_bytes()) for path in targets)
        parts = list(tmp_path.glob(".target*.part"))
        assert len(targets) + len(parts) == len(list(tmp_path.iterdir()))
        absent += not targets
        interrupted += bool(parts)
        for path in (*parts, *targets):
            path.unlink()
    assert interrupted > 0, "no kill fell into a write: the delays are wrong"
    assert absent < KILLS, "nothing was ever written: the delays are wrong"


def test_what_a_killed_process_left_does_not_hinder_the_next(tmp_path):
    (tmp_path / ".target.abcdefgh.part").write_bytes(b"torn")
    write_atomically(tmp_path / "target", b"whole", overwrite=False)
    assert (tmp_path / "target").read_bytes() == b"whole"
