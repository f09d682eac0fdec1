"""The parent's side of one document process."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from typing import Any

from deployments.core.errors import InternalFault, WarmlineError
from deployments.knowledge.document_cutter import DocumentCutter
from deployments.knowledge.document_limits import DocumentLimits, exceeds
from deployments.knowledge.document_messages import HEADER, Job, MemoryExceeded, Reply, packed

_WORKER = "deployments.knowledge.document_worker"
_START_S = 60.0
_BUFFER_BYTES = 1 << 20
_OUT_OF_MEMORY = frozenset({signal.SIGABRT, signal.SIGTRAP, signal.SIGILL})
"""How libraries that are not written in Python end when they get no memory."""
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""The process reads untrusted files, so it gets no other variables: some of them are secrets."""


class DocumentFailed(Exception):
    """A document exceeded a limit, or ended the process otherwise. The message is the reason."""


class DocumentProcess:
    """A process that reads one document at a time. Create it by `start`.

    `multiprocessing` would run the parent's main module again in each child, which is Ray's in a replica.
    """

    def __init__(self, process: subprocess.Popen[bytes], limits: DocumentLimits) -> None:
        self._process = process
        self._limits = limits
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self.reusable = False
        """Whether it can take another document."""

    @classmethod
    async def start(cls, cutter: DocumentCutter) -> DocumentProcess:
        """Starts a process and waits until it is ready. Raises InternalFault if it does not start."""
        ours, theirs = socket.socketpair()
        with theirs:
            made = cls(_started(theirs), cutter.limits)
        try:
            made._reader, made._writer = await asyncio.open_connection(sock=ours, limit=_BUFFER_BYTES)
            async with asyncio.timeout(_START_S):
                await made._ask(cutter)
        except (OSError, EOFError, TimeoutError) as error:
            made.kill()
            raise InternalFault("no process that reads documents starts; the log says why") from error
        except BaseException:
            made.kill()
            raise
        made.reusable = True
        return made

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None and not self._reader.at_eof()

    async def run(self, job: Job) -> Any:
        """Returns what the job returns.

        Raises what the job raises, and DocumentFailed. Then, and when cancelled, the process may be
        unusable: `reusable` tells.
        """
        self.reusable = False
        try:
            async with asyncio.timeout(self._limits.wall_s):
                reply = await self._ask(job)
        except TimeoutError:
            reason = exceeds(f"takes more than {self._limits.wall_s:g} s to read")
            raise DocumentFailed(reason) from None
        except (OSError, EOFError):
            raise DocumentFailed(await self._why_it_died()) from None
        self.reusable = reply.reusable
        if isinstance(reply.outcome, MemoryExceeded):
            raise DocumentFailed(self._memory_reason())
        if isinstance(reply.outcome, WarmlineError):
            raise reply.outcome
        return reply.outcome

    def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        if self._writer is not None:
            self._writer.close()
        # It may take a moment until the kernel has freed the memory.
        asyncio.get_running_loop().run_in_executor(None, self._process.wait)

    async def _ask(self, message: object) -> Reply:
        assert self._writer is not None  # noqa: S101 -- `start` sets it
        self._writer.write(packed(message))
        await self._writer.drain()
        (length,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        reply = pickle.loads(await self._reader.readexactly(length))  # noqa: S301 -- from our own child
        assert isinstance(reply, Reply)  # noqa: S101
        return reply

    async def _why_it_died(self) -> str:
        self._process.kill()  # has no effect on one that ends already
        status = await asyncio.to_thread(self._process.wait)
        if status == -signal.SIGXCPU:
            return exceeds(f"takes more than {self._limits.cpu_s} s of CPU time to read")
        if -status in _OUT_OF_MEMORY:
            return self._memory_reason()
        return f"the process that read it ended with status {status}"

    def _memory_reason(self) -> str:
        return exceeds(f"takes more than {self._limits.memory_bytes >> 20:,} MiB of memory to read")


def _started(connection: socket.socket) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", _WORKER, str(os.getpid())],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
