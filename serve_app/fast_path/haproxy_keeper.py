"""Starts HAProxy again at once when it has died. Serve itself needs about half a minute.

Serve's controller calls `install` before it starts the actor that runs HAProxy, on each node. Uses
internals of Ray 2.60; a test fails when these change.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import ray
from ray.serve._private import controller
from ray.serve._private.haproxy import HAProxyManager

log = logging.getLogger("ray.serve")

RETRY_AFTER_S = 0.5
LOOK_EVERY_S = 0.5

_Manager: Any = HAProxyManager.__ray_metadata__.modified_class.__ray_actor_class__
"""Serve's class as it was written, before Ray made an actor class of it."""


class HAProxyKeeper(_Manager):  # type: ignore[misc]  # Ray is not followed
    """Serve's actor that runs HAProxy, which also watches the process."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._keeping = self.event_loop.create_task(self._keep_running())

    async def shutdown(self) -> None:
        """Ends HAProxy."""
        self._keeping.cancel()
        await super().shutdown()

    async def _keep_running(self) -> None:
        await self._haproxy_start_task
        while True:
            process = self._haproxy._proc
            with suppress(TimeoutError):  # after a reload there is another process to watch
                async with asyncio.timeout(LOOK_EVERY_S):
                    await process.wait()
            if process.returncode is None:
                continue
            async with self._reload_lock:  # a reload replaces the process before it ends it
                if self._haproxy._proc is process:
                    await self._start_again(process.returncode)

    async def _start_again(self, returncode: int) -> None:
        log.error("HAProxy has ended (%d); starting it again", returncode)
        try:
            await self._haproxy.start()
        except Exception:  # of any kind: without HAProxy nobody can reach the application
            log.exception("HAProxy did not start")
            await asyncio.sleep(RETRY_AFTER_S)


def install() -> None:
    """Makes this process, Serve's controller, start `HAProxyKeeper`s."""
    controller.HAProxyManager = ray.remote(num_cpus=0)(HAProxyKeeper)
