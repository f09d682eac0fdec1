"""Kills processes of the application by their pids."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.integration.application.running import Application
from tests.listeners import family

TARGETS = (
    "TokenCache",
    "Knowledge",
    "Support",
    "Documentation",
    "valkey",
    "TokenCache",
    "Knowledge",
    "Support",
    "valkey",
    "Engine",
)
"""Deployments, and the embedded Redis server. The engine takes the longest to come back."""


class Reaper:
    """Kills a target each `every_s` seconds or so. `killed` counts them."""

    def __init__(self, application: Application, rng: Random, every_s: float) -> None:
        self.killed: Counter[str] = Counter()
        self._application = application
        self._rng = rng
        self._every_s = every_s

    async def run(self) -> None:
        """Kills until it is cancelled."""
        while True:
            await asyncio.sleep(self._every_s * self._rng.uniform(0.5, 1.5))
            target = self._rng.choice(TARGETS)
            pids = await asyncio.to_thread(self._pids, target)
            if pids:
                self.killed[target] += 1
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _pids(self, target: str) -> list[int]:
        """All processes of one replica of the target; of the engine, vLLM's own too."""
        if target == "valkey":
            return self._application.pids("valkey-server") or self._application.pids("valkey")
        name = f"ServeReplica:default:{target}".encode()
        replicas = sorted(pid for pid in family(self._application.process.pid) if name in _command(pid))
        return sorted(family(self._rng.choice(replicas))) if replicas else []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # the process has ended
