"""Reads the KV events that vLLM publishes over ZeroMQ. The only file that knows zmq and msgspec.

vLLM 0.32, `vllm/distributed/kv_events.py`, numbers the batches it publishes and keeps the latest 10,000,
which it repeats on request. It looks for such requests ten times a second, and between batches only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeAlias

import msgspec
import zmq
import zmq.asyncio

from deployments.engine.config import EventAddresses
from deployments.engine.kv_feed import BlockEvent, BlocksRemoved, BlocksStored, CacheCleared, KvFeed

log = logging.getLogger(__name__)

ASK_EVERY_S = 5.0
"""After this long without events, the reader asks for some: the loss of the last batch shows only so."""
ANSWER_WITHIN_S = 5.0
"""How long each batch of an answer may take. The publisher shares its process with the scheduler."""
RETRY_AFTER_S = 1.0
_MAX_QUEUED_BATCHES = 100_000
_OWN, _HOST = "GPU", "CPU"
"""vLLM's names for the engine's own memory (on a CPU too), and for host memory."""
_END = -1
"""The number with which vLLM ends an answer."""


class _Stored(msgspec.Struct, tag="BlockStored"):
    block_hashes: list[int]
    medium: str | None = None
    group_idx: int | None = None


class _Removed(msgspec.Struct, tag="BlockRemoved"):
    block_hashes: list[int]
    medium: str | None = None
    group_idx: int | None = None


class _Cleared(msgspec.Struct, tag="AllBlocksCleared"):
    pass


class _Batch(msgspec.Struct, array_like=True):
    ts: float
    events: list[_Stored | _Removed | _Cleared]


class Batch(NamedTuple):
    """One numbered batch of events."""

    number: int
    events: list[BlockEvent] | None
    """None if they can't be decoded."""


_decoder = msgspec.msgpack.Decoder(_Batch)


def decoded(number: bytes, payload: bytes) -> Batch:
    """Decodes a published batch: its number (8 bytes, big-endian) and its events (msgpack).

    Leaves out events of KV caches outside the engine's own memory and host memory. If vLLM groups the
    model's layers, only the first group's events count.
    """
    at = int.from_bytes(number, "big", signed=True)
    try:
        events = _decoder.decode(payload).events
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        log.warning("can't decode a batch of KV events: %s", error)
        return Batch(at, None)
    return Batch(at, [_event(event) for event in events if isinstance(event, _Cleared) or _counts(event)])


def _counts(event: _Stored | _Removed) -> bool:
    return event.medium in {None, _OWN, _HOST} and event.group_idx in {None, 0}


def _event(event: _Stored | _Removed | _Cleared) -> BlockEvent:
    match event:
        case _Stored():
            return BlocksStored(tuple(event.block_hashes), in_host=event.medium == _HOST)
        case _Removed():
            return BlocksRemoved(tuple(event.block_hashes), in_host=event.medium == _HOST)
        case _Cleared():
            return CacheCleared()


@contextmanager
def _socket(kind: int, address: str) -> Iterator[zmq.asyncio.Socket]:
    socket = zmq.asyncio.Context.instance().socket(kind)
    try:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, _MAX_QUEUED_BATCHES)
        socket.connect(address)
        yield socket
    finally:
        socket.close()


Connect: TypeAlias = "Callable[[int, str], AbstractContextManager[zmq.asyncio.Socket]]"
"""Opens a socket of a kind (`zmq.SUB` or `zmq.DEALER`), connected to an address."""


class KvEvents:
    """Reads an engine's KV events into `feed`, and asks for the batches that it missed."""

    def __init__(
        self,
        addresses: EventAddresses,
        feed: KvFeed,
        *,
        ask_every_s: float = ASK_EVERY_S,
        answer_within_s: float = ANSWER_WITHIN_S,
        connect: Connect = _socket,
    ) -> None:
        """`ask_every_s` and `answer_within_s` replace `ASK_EVERY_S` and `ANSWER_WITHIN_S`. `connect` opens
        the sockets.
        """
        self._addresses = addresses
        self._feed = feed
        self._ask_every_s = ask_every_s
        self._answer_within_s = answer_within_s
        self._connect = connect

    async def follow(self) -> None:
        """Reads until it is cancelled. Connects again after any error."""
        while True:
            try:
                await self._follow()
            except Exception:  # of any kind: the feed must not go on as if it were complete
                log.exception("lost an engine's KV events")
            self._feed.silent()
            await asyncio.sleep(RETRY_AFTER_S)

    async def _follow(self) -> None:
        with self._connect(zmq.SUB, self._addresses.published) as published:
            published.subscribe(b"")
            await self._catch_up()
            while True:
                if await published.poll(int(self._ask_every_s * 1000)):
                    _, number, payload = await published.recv_multipart()
                    batch = decoded(number, payload)
                    if not self._take(batch):
                        await self._catch_up()
                        self._take_or_skip(batch)
                else:
                    await self._catch_up()

    async def _catch_up(self) -> None:
        """Asks for all batches from the next one on, again and again while answers bring new ones.

        Skips gaps that the engine can't fill. If it does not answer, it marks the feed as silent.
        """
        while True:
            asked_from = self._feed.next_number
            batches, ended = await self._repeated(asked_from)
            missed = [batch for batch in batches if not self._take(batch)]
            if ended and not missed:
                self._feed.caught_up()
                return
            if self._feed.next_number > asked_from:
                continue  # a long answer overflows the socket's queue; the next one continues it
            if not batches:
                self._feed.silent()
                return
            for batch in missed:
                self._take_or_skip(batch)

    async def _repeated(self, first: int) -> tuple[list[Batch], bool]:
        """Asks for the batches from number `first` on; returns them and whether the answer was complete."""
        batches: list[Batch] = []
        # Each question has its own socket, so that a late answer is not taken for the next question's.
        with self._connect(zmq.DEALER, self._addresses.repeated) as asked:
            await asked.send_multipart([b"", first.to_bytes(8, "big")])
            while await asked.poll(int(self._answer_within_s * 1000)):
                _, _, number, payload = await asked.recv_multipart()
                if int.from_bytes(number, "big", signed=True) == _END:
                    return batches, True
                batches.append(decoded(number, payload))
        return batches, False

    def _take(self, batch: Batch) -> bool:
        """Whether the feed has applied `batch`. Skips one that can't be decoded, now or later."""
        if batch.events is not None:
            return self._feed.take(batch.number, batch.events)
        if batch.number == self._feed.next_number:
            self._feed.skip_to(batch.number + 1)
        return batch.number < self._feed.next_number

    def _take_or_skip(self, batch: Batch) -> None:
        if not self._take(batch):
            log.warning("lost KV events: batches %d to %d", self._feed.next_number, batch.number - 1)
            self._feed.skip_to(batch.number)
            self._take(batch)
