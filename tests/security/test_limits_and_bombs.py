"""R1: the size is judged from the header. Each bomb is met by a fresh process, whose memory is then measured."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from imaging_samples import BOMBS, bomb_png_text, noise, raw_png, vips_bytes

from linearsr.errors import ImageTooLargeError
from linearsr.imaging.codec import decode, read_header
from linearsr.imaging.limits import CLI_LIMITS, SERVER_LIMITS, Limits

MEBIBYTE = 2**20
METER = """
import re, sys, time
from pathlib import Path
from linearsr.errors import LinearSRError
from linearsr.imaging.codec import decode

def peak():  # of this process image alone; getrusage would count the parent's peak, too
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

decode(Path(sys.argv[1]))
before, started = peak(), time.perf_counter()
try:
    decode(Path(sys.argv[2]))
    name = "decoded"
except LinearSRError as error:
    name = type(error).__name__
print(name, (peak() - before) * 1024, time.perf_counter() - started)
"""


def measure(payload: bytes, folder: Path) -> tuple[str, int, float]:
    """Outcome, growth of peak memory in bytes and seconds of decoding ``payload`` after a small image."""
    small, big = folder / "small.png", folder / "big"
    small.write_bytes(raw_png(noise(8, 8, 3)))
    big.write_bytes(payload)
    command = [sys.executable, "-c", METER, str(small), str(big)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    name, growth, seconds = shown.stdout.split()
    return name, int(growth), float(seconds)


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


@needs_proc
@pytest.mark.parametrize("payload", [*BOMBS.values(), bomb_png_text()], ids=[*BOMBS, "png text"])
def test_a_bomb_is_refused_without_being_unpacked(payload, tmp_path):
    name, growth, seconds = measure(payload, tmp_path)
    assert name == "ImageTooLargeError"
    assert growth <= 64 * MEBIBYTE
    assert seconds < 5  # sanity: 0.1 s is the promise, on an idle machine


@needs_proc
def test_the_meter_sees_an_image_that_is_decoded(tmp_path):
    name, growth, _ = measure(vips_bytes(np.zeros((9000, 9000), np.uint8), ".png", "b-w"), tmp_path)
    assert name == "decoded"
    assert growth > 64 * MEBIBYTE


@pytest.mark.parametrize("payload", BOMBS.values(), ids=BOMBS)
def test_the_header_alone_is_enough_to_refuse(payload):
    for limits in (CLI_LIMITS, SERVER_LIMITS):
        with pytest.raises(ImageTooLargeError, match="over the limit"):
            read_header(payload, limits)


@pytest.mark.parametrize(("excess", "pixels"), [(0, 63), (1, 62)])
def test_the_limit_handed_over_is_the_one_that_counts(excess, pixels):
    payload, limits = raw_png(noise(7, 9, 3)), Limits(max_input_pixels=pixels)
    if not excess:
        assert decode(payload, limits).width == 9
        return
    for read in (decode, read_header):
        with pytest.raises(ImageTooLargeError, match="9x7 is 63 pixels, over the limit of 62"):
            read(payload, limits)
