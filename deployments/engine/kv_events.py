"""An engine's KV events over ZeroMQ, as vLLM publishes them. The only file that knows zmq and msgspec.

vLLM 0.32, `vllm/distributed/kv_events.py`: each batch is published with a number, and the newest 10,000 are
kept for whoever asks again. Between batches it looks for such requests ten times a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import zmq
import zmq.asyncio

from deployments.engine.config import EventAddresses
from deployments.engine.kv_feed import BlockEvent, BlocksRemoved, BlocksStored, CacheCleared, KvFeed

log = logging.getLogger(__name__)

ASK_EVERY_S = 5.0
"""Without events: whether there really were none, the last one's loss would not show otherwise."""
ANSWER_WITHIN_S = 5.0
"""For each batch of an answer. The publisher shares its process with the scheduler."""
RETRY_AFTER_S = 1.0
_WAITING_BATCHES = 100_000
_END = -1


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
    """A batch's number, and its events; None where they can't be read."""

    number: int
    events: list[BlockEvent] | None


_decoder = msgspec.msgpack.Decoder(_Batch)


def decoded(number: bytes, payload: bytes) -> Batch:
    """A batch as published: its number, 8 bytes, and msgpack. Events of caches other than the GPU's, or a
    CPU engine's own, are left out, and of several groups of layers the first speaks for all."""
    at = int.from_bytes(number, "big", signed=True)
    try:
        events = _decoder.decode(payload).events
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        log.warning("an engine's events can't be read: %s", error)
        return Batch(at, None)
    return Batch(at, [_event(event) for event in events if isinstance(event, _Cleared) or _counts(event)])


def _counts(event: _Stored | _Removed) -> bool:
    return event.medium in {None, "GPU"} and event.group_idx in {None, 0}


def _event(event: _Stored | _Removed | _Cleared) -> BlockEvent:
    match event:
        case _Stored():
            return BlocksStored(tuple(event.block_hashes))
        case _Removed():
            return BlocksRemoved(tuple(event.block_hashes))
        case _Cleared():
            return CacheCleared()


class KvEvents:
    """Follows an engine's events into a feed. The intervals are in seconds."""

    def __init__(
        self,
        addresses: EventAddresses,
        feed: KvFeed,
        *,
        ask_every_s: float = ASK_EVERY_S,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._addresses = addresses
        self._feed = feed
        self._ask_every_s = ask_every_s
        self._answer_within_s = answer_within_s

    async def follow(self) -> None:
        """Until it is cancelled, whatever happens to the stream."""
        while True:
            try:
                await self._follow()
            except Exception:  # whatever it is: what is known of the cache must not seem complete
                log.exception("an engine's events are lost")
            self._feed.silent()
            await asyncio.sleep(RETRY_AFTER_S)

    async def _follow(self) -> None:
        with _socket(zmq.SUB, self._addresses.published) as published:
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
        """Asks for all batches from the next one on, until an answer holds no hole that asking could fill."""
        while True:
            begun = self._feed.next_number
            batches, whole = await self._repeated(begun)
            missed = [batch for batch in batches if not self._take(batch)]
            if whole and not missed:
                self._feed.caught_up()
                return
            if self._feed.next_number > begun:
                continue  # a long answer overflows its queue, and goes on where it broke off
            if not batches:
                self._feed.silent()
                return
            for batch in missed:
                self._take_or_skip(batch)

    async def _repeated(self, first: int) -> tuple[list[Batch], bool]:
        """The batches kept from this number on, and whether all came."""
        batches: list[Batch] = []
        # A socket for each question, so that no late answer is taken for another's.
        with _socket(zmq.DEALER, self._addresses.repeated) as asked:
            await asked.send_multipart([b"", first.to_bytes(8, "big")])
            while await asked.poll(int(self._answer_within_s * 1000)):
                _, _, number, payload = await asked.recv_multipart()
                if int.from_bytes(number, "big", signed=True) == _END:
                    return batches, True
                batches.append(decoded(number, payload))
        return batches, False

    def _take(self, batch: Batch) -> bool:
        """Whether the feed has it now; one that can't be read is missing for ever."""
        if batch.events is not None:
            return self._feed.take(batch.number, batch.events)
        if batch.number == self._feed.next_number:
            self._feed.skip_to(batch.number + 1)
        return batch.number < self._feed.next_number

    def _take_or_skip(self, batch: Batch) -> None:
        if not self._take(batch):
            log.warning("an engine's events from %d to %d are lost", self._feed.next_number, batch.number - 1)
            self._feed.skip_to(batch.number)
            self._take(batch)


@contextmanager
def _socket(kind: int, address: str) -> Iterator[zmq.asyncio.Socket]:
    socket = zmq.asyncio.Context.instance().socket(kind)
    try:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, _WAITING_BATCHES)
        socket.connect(address)
        yield socket
    finally:
        socket.close()
