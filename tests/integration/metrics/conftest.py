"""A local Ray that records every metric."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def metrics_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the metrics of the application `metrics_app` are read."""
    port = free_port()
    state_dir = tmp_path_factory.mktemp("state")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.metrics.metrics_app", str(state_dir), str(port)],
        cwd=ROOT,
        env=os.environ | {"RAY_metrics_report_interval_ms": "1000"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert any(line == "it serves\n" for line in process.stdout), "it ended before it served"
    yield f"http://127.0.0.1:{port}/metrics"
    process.kill()
    process.wait()
    process.stdout.close()
