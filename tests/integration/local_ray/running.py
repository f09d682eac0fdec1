"""An application on a local Ray, in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[3]
AGENTS = ("ray::DashboardA", "ray::RuntimeEnv")
"""Names of Ray's two agents. They end with Ray too, but try for a minute to tell a GCS that is gone."""


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    fast_path: bool
    http: httpx.Client
    facts: dict[str, Any]


@contextmanager
def local_app(module: str, state_dir: Path, fast_path: str, **environ: str) -> Iterator[Running]:
    """Starts a module of this folder with a free port, and waits for the JSON that it prints. `fast_path` is
    "on" or "off".
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name = f"tests.integration.local_ray.{module}"
    process = subprocess.Popen(
        [sys.executable, "-m", name, str(state_dir), str(port), fast_path],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = next((line for line in process.stdout if line.startswith("{")), None)
    assert line, "it ended before it served"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        yield Running(process, fast_path == "on", http, json.loads(line))
    process.kill()
    process.wait()
    process.stdout.close()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true in time."""
    deadline_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.1)
    return True


def command(pid: int) -> str:
    """The first 15 letters of a process's name, which are what Linux keeps; "" if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
