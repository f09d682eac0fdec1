"""Publishes an engine's KV events as vLLM does, on sockets that lose, repeat, delay and reorder batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import zmq

from tests.simulation.processes import Dice

KEPT_BATCHES = 40
"""So many batches can be repeated: few, so that some gaps can't be filled."""
_END = -1


class Inbox:
    """The receiving side of a ZeroMQ socket."""

    def __init__(self) -> None:
        self._frames: deque[list[bytes]] = deque()
        self._filled = asyncio.Event()

    def add(self, *frames: list[bytes]) -> None:
        self._frames.extend(frames)
        if frames:
            self._filled.set()

    async def poll(self, timeout_ms: int) -> bool:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._filled.wait()
        except TimeoutError:
            return False
        return True

    async def recv_multipart(self) -> list[bytes]:
        await self._filled.wait()
        frames = self._frames.popleft()
        if not self._frames:
            self._filled.clear()
        return frames


class _Published(Inbox):
    def subscribe(self, _topic: bytes) -> None:
        """Subscribes to everything, as the reader does."""


class _Repeated(Inbox):
    def __init__(self, log: KvLog) -> None:
        super().__init__()
        self._log = log

    async def send_multipart(self, frames: Sequence[bytes]) -> None:
        self._log.repeat(int.from_bytes(frames[1], "big"), self)


class KvLog:
    """Batches of events of one engine, numbered from 0."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT_BATCHES)
        self._next = 0
        self._readers: list[Inbox] = []

    def publish(self, *events: dict[str, Any]) -> None:
        """Publishes a batch."""
        number, payload = self._next, msgspec.msgpack.encode([0.0, events])
        self._next += 1
        self._kept.append((number, payload))
        for reader in self._readers:
            for _ in range(2 if self._dice.fails(0.05) else 1):
                if not self._dice.fails(0.05):
                    damaged = self._dice.fails(0.01)
                    self._send(reader, [b"", _number(number), payload[:-1] if damaged else payload])

    def repeat(self, first: int, asker: Inbox) -> None:
        """Answers with the kept batches from a number on; in a storm now and then with some, or not."""
        if self._dice.fails(0.05):
            return
        answer = [
            [b"", b"", _number(number), payload] for number, payload in self._kept if number >= first
        ] + [[b"", b"", _number(_END), b""]]
        if self._dice.fails(0.05):
            answer = answer[: len(answer) // 2]
        delay_s = self._dice.random() * 0.1
        asyncio.get_running_loop().call_later(delay_s, asker.add, *answer)

    @contextmanager
    def connect(self, kind: int, _address: str) -> Iterator[Any]:
        """A socket, as `KvEvents` opens it."""
        if kind == zmq.DEALER:
            yield _Repeated(self)
            return
        reader = _Published()
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)

    def _send(self, reader: Inbox, frames: list[bytes]) -> None:
        longest_s = 8.0 if self._dice.fails(0.02) else 0.02
        asyncio.get_running_loop().call_later(self._dice.random() * longest_s, reader.add, frames)


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)
