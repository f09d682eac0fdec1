"""A lock between processes on one machine. The kernel releases it when its holder dies."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

_POLL_S = 0.1


class FileLock:
    """A held lock; create it by `acquire`. The file is never deleted, since that would be a race."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    async def acquire(cls, path: Path, wait_s: float) -> FileLock:
        """Takes the lock; waits up to `wait_s` seconds for it. Raises TimeoutError, OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline_s = time.monotonic() + wait_s
        try:
            while not _try_lock(descriptor):
                if time.monotonic() >= deadline_s:
                    raise TimeoutError(f"{path} is locked by another process")
                await asyncio.sleep(_POLL_S)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Releases the lock."""
        os.close(self._descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
