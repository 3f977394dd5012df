"""R13: all stages through ``linearsr train``, killed at random points and resumed, end bit-identical to a quiet run."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import time

import pytest
from all_stages import train_all
from training_photos import write_shards

STAGES = {
    "denoise": 6,
    "autoencoder": 6,
    "flow": 10,
    "experts": 4,
    "polish": 6,
    "sft": 6,
    "fidelity": 6,
    "detail": 6,
    "distill": 6,
    "polish-denoiser": 6,
    "cleaned": 6,
}
"""Steps of each, saved after every second and validated, but for the autoencoder, after every fifth."""
KILLS = 10


@pytest.fixture(scope="module")
def start(tmp_path_factory, perceptual):
    """Start a process that trains into a folder."""
    photos = write_shards(tmp_path_factory.mktemp("shards") / "photos")
    # A server that has imported all of torch once forks every process, so that each starts in milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "linearsr.training.recipe", "linearsr.cli.train"])

    def start_training(run):
        left = {stage: steps for stage, steps in STAGES.items() if not is_finished(run / stage)}
        process = context.Process(target=train_all, args=(photos, perceptual, run, left))
        process.start()
        return process

    return start_training


def is_finished(folder):
    last = "denoiser" if folder.name in ("denoise", "polish-denoiser") else "autoencoder"
    return (folder / f"{last}.safetensors").exists()


def finish(start, run):
    process = start(run)
    process.join(300)
    assert process.exitcode == 0


def saves_of(run):
    """Every state of every checkpoint, by its time."""
    return {(path, path.stat().st_mtime_ns) for path in run.rglob("checkpoint.safetensors")}


def kill_after_saves(process, run, count, delay):
    """Kill the process some time after its next ``count`` saves; return where it was, or None if it was done before."""
    known, deadline = saves_of(run), time.monotonic() + 120
    seen = set()
    while len(seen) < count and process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.002)
        seen |= saves_of(run) - known
    time.sleep(delay)
    process.kill()
    process.join()
    if process.exitcode == 0:
        return None
    assert process.exitcode == -signal.SIGKILL
    return max(saves_of(run), key=lambda save: save[1])[0].parent


def files_of(run):
    """Everything that must be equal to the bit: checkpoints, weights, pictures, starts; and the curves."""
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.suffix in (".safetensors", ".png", ".json")}
    for path in run.rglob("validation.jsonl"):
        # A step that was validated again counts once.
        kept |= {path / str(record["step"]): record for record in map(json.loads, path.read_text().splitlines())}
    return {str(path.relative_to(run)): content for path, content in kept.items()}


def test_killed_across_all_stages_and_resumed_ends_bit_identical(start, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    chance, interrupted = random.Random(0), []
    for _ in range(KILLS):
        place = kill_after_saves(start(killed), killed, chance.randint(1, 2), chance.uniform(0, 0.1))
        if place is None:  # on a fast machine the whole run may end between two looks
            break
        interrupted.append(place.relative_to(killed).parts[0])
    assert len(interrupted) >= KILLS // 2
    assert len(set(interrupted)) >= 3
    finish(start, killed)
    finish(start, whole)
    expected, found = files_of(whole), files_of(killed)
    assert expected.keys() == found.keys()
    assert [name for name, content in expected.items() if found[name] != content] == []
    assert not list(killed.rglob("*.part"))
