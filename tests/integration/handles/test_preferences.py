"""Engine replicas are chosen by their callers' preference, in both of Serve's modes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("preferences.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("throughput_optimized", ["0", "1"])
def test_calls_go_where_they_are_preferred_and_spill_where_that_is_full(
    throughput_optimized: str, tmp_path: Path
) -> None:
    """Also many calls from one request, which would hang in a custom router without `own_call`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"PYTHONPATH": str(ROOT), "RAY_SERVE_THROUGHPUT_OPTIMIZED": throughput_optimized}
    finished = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(port)],
        env={**os.environ, **ours},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == {
        "one by one": [0, 1, 2, 0],
        "at once": [0, 0, 1, 1, 2],  # each replica takes two
        "anywhere": 20,
        "gone": True,
        "avoided": True,
        "beside a full one": [0, 1],
        "too busy": 1,
    }
