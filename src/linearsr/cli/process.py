"""What the command asks of the process that it runs in. A library would not; whoever uses it may do the same.

Measured in docs/decisions/0008-strips.md.
"""

from __future__ import annotations

import ctypes
import os
import sys

SPINS = "10000"
"""How often a waiting thread of libgomp looks for the others before it sleeps. Its own 300,000 times cost four times as
much processor time on a machine busy with other work."""
KEPT_BYTES = 2**30
"""Freed memory that glibc keeps for the next tensor. By itself it gives large blocks back to the system and takes them
again page by page, zeroed: up to a third of a decoder's time."""
LARGEST_KEPT = 2**27
"""Larger blocks, such as the tokens of a huge picture, still go back at once: they live long and come seldom."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of mallopt."""
_OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def prepare_process() -> None:
    """Set libgomp and glibc for the work ahead, unless the environment does. To be called before torch is imported."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if not any(name in os.environ for name in _OWN_SETTINGS):
        keep_freed_memory(KEPT_BYTES, LARGEST_KEPT)


def keep_freed_memory(count: int, largest: int) -> bool:
    """Let malloc keep freed blocks up to ``largest`` bytes, ``count`` at the end of its heap.

    Returns False where it is not glibc's.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl
        return False
    return bool(mallopt(_MMAP_THRESHOLD, largest)) and bool(mallopt(_TRIM_THRESHOLD, count))
