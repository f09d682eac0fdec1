"""Objects in child processes, called over Unix sockets, so that CPU time and memory are known for each."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.listeners import family

Build: TypeAlias = "Callable[[], Awaitable[Any]]"
"""Makes the object, in the child. It can be pickled: a function of a module, or a `partial` of one."""

_LENGTH_BYTES = 8
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_START_S = 120.0


class ChildHandle:
    """A Serve handle to an object in another process: arguments and results are pickled, as between replicas.

    It has no streams and no broadcasts.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def options(self, **_: Any) -> ChildHandle:
        """Ignores all options."""
        return self

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Method(self, name)

    async def call(self, name: str, arguments: Any, named: Any) -> Any:
        """Calls a method of the object. Raises what it raises."""
        reader, writer = self._idle.pop() if self._idle else await _connected(self._socket)
        _send(writer, (name, arguments, named))
        result = await _received(reader)
        self._idle.append((reader, writer))
        if isinstance(result, Exception):
            raise result
        return result


@dataclass(frozen=True, slots=True)
class _Method:
    handle: ChildHandle
    name: str

    def remote(self, *arguments: Any, **named: Any) -> Awaitable[Any]:
        return self.handle.call(self.name, arguments, named)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants have used so far."""

    cpu_s: float
    rss_mib: float

    @classmethod
    def of(cls, root_pid: int) -> Usage:
        """The usage now. Pages that processes share count for each."""
        ticks = pages = 0
        for pid in family(root_pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            ticks += int(fields[11]) + int(fields[12])
            pages += int(fields[21])
        return cls(ticks / _TICKS_A_SECOND, pages * _PAGE_BYTES / 2**20)


@contextmanager
def child(build: Build, socket: Path) -> Iterator[int]:
    """Runs the object that `build` makes in a child process; gives the process's id when it is called.

    The process ends with this context, or with this process.
    """
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(build, socket))
    process.start()
    try:
        deadline_s = time.monotonic() + _START_S
        while not socket.exists():
            if not process.is_alive() or time.monotonic() > deadline_s:
                raise RuntimeError(f"the process of {socket.name} has not started")
            time.sleep(0.05)
        assert process.pid is not None
        yield process.pid
    finally:
        process.terminate()
        process.join(30)


def _run(build: Build, socket: Path) -> None:
    asyncio.run(_serve(build, socket, os.getppid()))


async def _serve(build: Build, socket: Path, parent: int) -> None:
    target = await build()

    async def calls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (called := await _received(reader)) is not None:
            _send(writer, await _result(target, *called))

    partial = socket.with_suffix(".partial")
    async with await asyncio.start_unix_server(calls, partial):
        partial.rename(socket)
        while os.getppid() == parent:  # noqa: ASYNC110 -- a parent's end has no event
            await asyncio.sleep(1)


async def _result(target: Any, name: str, arguments: Any, named: Any) -> Any:
    try:
        return await getattr(target, name)(*arguments, **named)
    except Exception as error:
        return error


async def _connected(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(socket)


def _send(writer: asyncio.StreamWriter, message: Any) -> None:
    packed = pickle.dumps(message)
    writer.write(len(packed).to_bytes(_LENGTH_BYTES, "little") + packed)


async def _received(reader: asyncio.StreamReader) -> Any:
    """The next message; None at the end."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "little")
        return pickle.loads(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        return None
