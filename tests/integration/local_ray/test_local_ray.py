"""A local Ray is reachable from this machine and this user only, and ends with its owner."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.listeners import family, listening_sockets

ROOT = Path(__file__).parents[3]
AGENTS = ("ray::DashboardA", "ray::RuntimeEnv")


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    port: int
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state_dir = tmp_path_factory.mktemp("state")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.local_ray.small_app", str(state_dir), str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = next((line for line in process.stdout if line.startswith("{")), None)
    assert line, "it ended before it served"
    yield Running(process, port, json.loads(line))
    process.kill()
    process.wait()
    process.stdout.close()


def test_it_serves(running: Running) -> None:
    """Otherwise there would be no listeners to look at."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/", timeout=30) as response:
        assert response.read() == b"hello"


def test_every_listener_is_on_loopback_or_private(running: Running) -> None:
    """GCS, raylet, agents, proxy, and the replicas' own servers, which take pickles."""
    listeners = listening_sockets(running.process.pid)
    commands = {listener.command for listener in listeners}
    assert {"gcs_server", "raylet"} <= commands
    assert any(command.startswith("ray::ServeRepli") for command in commands)
    assert [listener for listener in listeners if not listener.is_private] == []


def test_another_user_without_the_token_is_refused(running: Running) -> None:
    """Loopback is shared by all users of the machine; Ray's own servers want the token."""
    environ = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    code = f"from ray._raylet import GcsClient; GcsClient(address={running.facts['gcs_address']!r})"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stderr=subprocess.PIPE, text=True
    ) as stranger:
        assert stranger.stderr
        refused = any("InvalidAuthToken" in line for line in stranger.stderr)
        stranger.kill()  # it would try again and again
    assert refused


def test_killing_the_owner_ends_what_it_served(running: Running) -> None:
    """Even `kill -9`, which leaves the owner no time to clean up.

    Ray's two agents are not waited for: they end too, but try for a minute to tell a GCS that is gone.
    """
    pids = {
        pid
        for pid in family(running.process.pid)
        if not Path(f"/proc/{pid}/comm").read_text().startswith(AGENTS)
    }
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    deadline_s = time.monotonic() + 30
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert left == []


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
