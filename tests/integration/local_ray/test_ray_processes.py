"""A Ray that loses its GCS or its raylet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from serve_app.ray_processes import WATCHED
from tests.integration.local_ray.running import AGENTS, ROOT, command, within
from tests.listeners import family, runs

OWNER = """
import os, sys, time
import ray
from serve_app.ray_processes import RayWatch, server_pids

def lost(server):
    print("lost", server, flush=True)
    os._exit(5)

ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=2**27, _temp_dir=sys.argv[1])
watch = RayWatch(lost)
print(server_pids()[sys.argv[2]], flush=True)
if sys.argv[3] == "stop":
    sys.stdin.readline()
    watch.stop()
    ray.shutdown()
else:
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, since a socket's path is limited."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def owner(folder: Path, server: str, then: str) -> subprocess.Popen[str]:
    """A process that has started Ray, and that ends when Ray has lost a server."""
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, folder, server, then],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server", WATCHED)
def test_a_lost_server_is_noticed_at_once_and_leaves_nothing(server: str, folder: Path) -> None:
    with owner(folder, server, "wait") as process:
        assert process.stdout
        pid = int(next(line for line in process.stdout if line.strip().isdigit()))
        members = [pid for pid in family(process.pid) if not command(pid).startswith(AGENTS)]
        os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=5) == 5
        assert process.stdout.read().strip() == f"lost {server}"
    assert within(30, lambda: not any(map(runs, members)))


@pytest.mark.timeout(120)
def test_ray_that_is_shut_down_in_order_is_not_lost(folder: Path) -> None:
    with owner(folder, WATCHED[0], "stop") as process:
        assert process.stdout
        next(line for line in process.stdout if line.strip().isdigit())
        output, _ = process.communicate("\n", timeout=60)
    assert (process.returncode, output) == (0, "")
