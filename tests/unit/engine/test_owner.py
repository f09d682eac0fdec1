"""The watch that ends an engine with its owner, on ordinary processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from deployments.engine.owner import OWNER_PID, SOCKET_DIR, await_end, engine_core_pid

# EngineCore's part: starts a "worker" that starts the watch, tells its own pid and the worker's, waits.
ENGINE_CORE = """
import multiprocessing, os, time
def worker(told):
    from deployments.engine.owner import watch_owner
    watch_owner()
    told.send(os.getpid())
    time.sleep(60)
if __name__ == "__main__":
    told, tells = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=worker, args=(tells,), daemon=True)
    process.start()
    print(os.getpid(), told.recv(), flush=True)
    time.sleep(60)
"""


def test_await_end_returns_when_the_process_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        waiting = threading.Thread(target=await_end, args=(process.pid,))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        process.kill()
        waiting.join(10)
        assert not waiting.is_alive()


def test_await_end_returns_at_once_for_a_process_that_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    await_end(process.pid)


def test_a_worker_inside_engine_core_ends_its_own_process() -> None:
    assert engine_core_pid(os.getppid()) == os.getpid()


def test_the_workers_parent_ends_with_the_owner(tmp_path: Path) -> None:
    script = tmp_path / "engine_core.py"
    script.write_text(ENGINE_CORE)
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    ours = {OWNER_PID: str(owner.pid), SOCKET_DIR: str(sockets), "PYTHONPATH": os.getcwd()}
    environment = {**os.environ, **ours}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as core:
        assert core.stdout is not None
        pid, _worker = map(int, core.stdout.readline().split())
        assert pid == core.pid
        owner.kill()
        owner.communicate()
        assert core.wait(10) == -15  # SIGTERM
    assert not sockets.exists()
