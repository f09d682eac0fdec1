"""Ends an engine whose owner, the process that started it, has ended.

vLLM's EngineCore outlives a parent that was killed, and keeps its memory (vLLM issue 55510). So a thread
in each engine's worker process watches the owner.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import shutil
import signal
import threading

OWNER_PID = "ENGINE_OWNER_PID"
"""Environment variable with the owner's process id."""
SOCKET_DIR = "ENGINE_SOCKET_DIR"
"""Environment variable with the folder of the engine's sockets, which a killed owner has not removed."""


def watch_owner() -> None:
    """Starts a thread that ends the engine when its owner ends. Does nothing without `OWNER_PID`."""
    if OWNER_PID in os.environ:
        owner = int(os.environ[OWNER_PID])
        threading.Thread(target=_end_with, args=(owner,), name="OwnerWatch", daemon=True).start()


def engine_core_pid(owner_pid: int) -> int:
    """EngineCore's pid: the worker's parent, or this process if the worker runs inside EngineCore."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None or parent.pid == owner_pid:
        return os.getpid()
    return parent.pid


def await_end(pid: int) -> None:
    """Blocks until the process `pid` has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        poll.poll()
    finally:
        os.close(process)


def _end_with(owner_pid: int) -> None:
    await_end(owner_pid)
    if SOCKET_DIR in os.environ:
        shutil.rmtree(os.environ[SOCKET_DIR], ignore_errors=True)
    os.kill(engine_core_pid(owner_pid), signal.SIGTERM)  # on which EngineCore ends its workers
