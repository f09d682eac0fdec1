"""A relay between an engine and the follower of its events. It can lose some batches of events, or all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from deployments.engine.config import EventAddresses

_END = -1


def none(_number: int) -> bool:
    """Is true of no batch."""
    return False


class LossyEvents:
    """Publishes an engine's events again at `addresses`.

    `lost` tells by a batch's number whether the batch is not published, and `gone` whether it is not repeated
    on request either.
    """

    def __init__(self, source: EventAddresses, folder: Path) -> None:
        self.addresses = EventAddresses(f"ipc://{folder}/kv", f"ipc://{folder}/kv-again")
        self.lost: Callable[[int], bool] = none
        self.gone: Callable[[int], bool] = none
        self._source = source
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts the relay."""
        self._running = [asyncio.create_task(self._publish()), asyncio.create_task(self._repeat())]
        await asyncio.sleep(0.1)  # until the sockets are connected

    async def stop(self) -> None:
        """Stops the relay: events are lost, and requests to repeat them are not answered."""
        for task in self._running:
            task.cancel()
        for task in self._running:
            with suppress(asyncio.CancelledError):
                await task

    async def _publish(self) -> None:
        with _context().socket(zmq.SUB) as source, _context().socket(zmq.PUB) as on:
            source.connect(self._source.published)
            source.subscribe(b"")
            on.bind(self.addresses.published)
            while True:
                topic, number, payload = await source.recv_multipart()
                if not self.lost(_number(number)):
                    await on.send_multipart([topic, number, payload])

    async def _repeat(self) -> None:
        with _context().socket(zmq.ROUTER) as asked:
            asked.bind(self.addresses.repeated)
            while True:
                caller, *question = await asked.recv_multipart()
                with _context().socket(zmq.DEALER) as source:
                    source.connect(self._source.repeated)
                    await source.send_multipart(question)
                    number = 0
                    while number != _END:
                        answer = await source.recv_multipart()
                        number = _number(answer[-2])
                        if number == _END or not self.gone(number):
                            await asked.send_multipart([caller, *answer])


def _context() -> Any:
    return zmq.asyncio.Context.instance()


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)
