"""Freed memory goes back to the operating system."""

from __future__ import annotations

import subprocess
import sys

_FREES_300_MB = """
from pathlib import Path
from deployments.core import process_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

pieces = [bytearray(100_000) for _ in range(3000)]
del pieces[:-1]  # the last keeps the allocator from shrinking the heap by itself
before = resident_mb()
process_memory.give_back()
print(before - resident_mb())
"""


def test_what_was_freed_is_returned() -> None:
    """Most of 300 MB in small pieces, which the allocator keeps without the call."""
    done = subprocess.run([sys.executable, "-c", _FREES_300_MB], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 200
