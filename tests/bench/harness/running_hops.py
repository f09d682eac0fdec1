"""Starts `empty_hops.py` in a process of its own."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.harness.report import ROOT
from tests.listeners import family

_START_WITHIN_S = 120.0


@contextmanager
def running_hops(mode: str) -> Iterator[str]:
    """Yields the URL. `mode` is `default` or `ours`. Raises RuntimeError if the process does not start."""
    port = _free_port()
    with TemporaryDirectory(prefix="hops-", ignore_cleanup_errors=True) as folder:
        script = Path(__file__).with_name("empty_hops.py")
        log_file = Path(folder, "log")
        with log_file.open("w+") as log:
            process = subprocess.Popen(
                [sys.executable, str(script), folder, str(port), mode],
                cwd=ROOT,
                env=_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                _wait_until_ready(process, log_file)
                yield f"http://127.0.0.1:{port}"
            finally:
                _end(process)


def _environment() -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "WARMLINE_"))
    }
    token = secrets.token_hex(32)
    return inherited | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "PYTHONPATH": str(ROOT)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline_s = time.monotonic() + _START_WITHIN_S
    while "\nready" not in "\n" + log_file.read_text():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError(log_file.read_text())
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    members = family(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
    for pid in members:
        if Path("/proc", str(pid)).exists() and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
