"""The Engine deployment's client over a real handle, in both of Serve's modes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("streams.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fast_path", ["on", "off"])
def test_streams_end_where_their_readers_do_and_errors_are_ours(fast_path: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    finished = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(port), fast_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == {
        "read": ["0", "1", "2"],
        "open": 1,
        "idle after close": True,
        "idle after cancel": True,
        "refused": ["PromptTooLong", "too long"],
        "fault": ["InternalFault", "the engine failed"],
        "killed": "EngineUnavailable",
        "replaced": ["0", "1", "2"],
    }
