"""Finds the embedded server's processes, and starts processes that use the server."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis

PATIENT_S = 20
"""How long to wait for what must happen, even on a busy machine."""

USER = """
import sys
from pathlib import Path
from deployments.redis.embedded_server import EmbeddedRedis
print(EmbeddedRedis(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
"""


def until(what: Callable[[], object], message: str) -> None:
    deadline_s = time.monotonic() + PATIENT_S
    while not what():
        assert time.monotonic() < deadline_s, message
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def supervisor_of(state_dir: Path) -> int:
    return int((state_dir / "redis/supervisor").read_text())


def server_of(state_dir: Path) -> int:
    """The server's pid; waits while it is being restarted."""
    supervisor = supervisor_of(state_dir)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    until(lambda: children.read_text().split(), "the supervisor runs no server")
    return int(children.read_text().split()[0])


def processes_naming(text: str) -> list[int]:
    """All processes with this text in their command lines. Reads no pid file, which may be wrong."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
    return [pid for pid in found if alive(pid) and pid != os.getpid()]


@contextlib.contextmanager
def user_process(state_dir: Path, first: str = "") -> Iterator[subprocess.Popen[str]]:
    """Starts another process that runs `first`, then uses the server until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", first + USER, str(state_dir)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(user: subprocess.Popen[str]) -> str:
    """Waits until the process uses the server."""
    assert user.stdout is not None
    return user.stdout.readline().strip()


async def ping(redis: EmbeddedRedis) -> None:
    link = RedisLink(redis.url, timeout_s=PATIENT_S)
    await link.call(("PING",))
    await link.close()
