"""Ends this process when Ray, which it has started, has lost one of its servers.

Without its GCS or its raylet, Ray serves on for a while, but starts, replaces and scales nothing, and does
not say so.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Mapping

from ray._private import worker
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET

WATCHED = (PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET)


class RayWatch:
    """Calls `lost` with a server's name, from a thread, when that server has ended. Watches nothing if this
    process has joined a cluster, whose operator supervises it.
    """

    def __init__(self, lost: Callable[[str], None]) -> None:
        """Call it after Ray has started."""
        self._lost = lost
        self._over = threading.Event()
        servers = {os.pidfd_open(pid): name for name, pid in server_pids().items()}
        if servers:
            threading.Thread(target=self._watch, args=(servers,), name="RayWatch", daemon=True).start()

    def stop(self) -> None:
        """From now on, a server that ends is no loss: Ray is shut down in order."""
        self._over.set()

    def _watch(self, servers: Mapping[int, str]) -> None:
        poll = select.poll()
        for server in servers:
            poll.register(server, select.POLLIN)
        (ended, _), *_ = poll.poll()
        if not self._over.is_set():
            self._lost(servers[ended])


def server_pids() -> dict[str, int]:
    """The servers that `ray.init` has started in this process: name -> pid. Uses internals of Ray 2.60."""
    node = worker._global_node
    started = {} if node is None else node.all_processes
    return {name: started[name][0].process.pid for name in WATCHED if name in started}
