"""Follows a vLLM server's KV events, if they name blocks as this application does."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from deployments.core.reuse.block_hash import block_hashes
from deployments.core.token_ids import TokenIds, to_bytes
from deployments.engine.config import EventAddresses
from deployments.engine.kv_events import ANSWER_WITHIN_S, KvEvents
from deployments.engine.remote.checks import CheckedServer
from deployments.engine.remote.figures import CacheConfig
from deployments.engine.remote.http_link import HttpLink, ServerFault
from deployments.engine.resident_engine import ResidentEngine
from deployments.engine.warming import warm

log = logging.getLogger(__name__)

HASH_ALGORITHM = "sha256_cbor"
"""The one of vLLM's by which `core.reuse.block_hash` names blocks."""
_PATH = "/kv_event_sources"
_CONFIG = (
    """--kv-events-config '{"enable_kv_cache_events": true, "endpoint": "tcp://*:5557", """
    """"replay_endpoint": "tcp://*:5558"}' --prefix-caching-hash-algo """
) + HASH_ALGORITHM
_POLL_S = 0.1


class EventSource(msgspec.Struct, frozen=True):
    """How an engine publishes its events."""

    endpoint: str
    replay_endpoint: str | None = None
    publisher: str | None = None
    enable_kv_cache_events: bool = True


async def follow_events(
    engine: ResidentEngine, link: HttpLink, server: CheckedServer, published: str | None
) -> None:
    """Has `engine` follow the server's KV events, or estimate what it holds if there are none to follow.

    `published` is the address at which the events are reached from here, as `tcp://host:port`; None for the
    server's own host and port. Raises EngineUnavailable.
    """
    found = usable_events(await _sources(link), server.cache, published, link.url)
    if isinstance(found, EventAddresses):
        following = engine.run_in_background(KvEvents(found, engine.feed).follow())
        if await _names_agree(engine, server.probe, server.cache.block_size):
            return
        following.cancel()
        found = "they name blocks in another way: start it without PYTHONHASHSEED"
    engine.feed.silent()
    log.warning("KV events of %s are not used, so what it holds is an estimate: %s", link.url, found)


async def _sources(link: HttpLink) -> Mapping[str, EventSource]:
    try:
        return msgspec.json.decode(await link.call(_PATH), type=dict[str, EventSource])
    except (ServerFault, msgspec.DecodeError, msgspec.ValidationError):
        return {}


def usable_events(
    sources: Mapping[str, EventSource], cache: CacheConfig, published: str | None, url: str
) -> EventAddresses | str:
    """Where to follow the events of the server at `url`; a text that says why not, and what to do.

    `sources` has the server's engines, `published` is as in `follow_events`.
    """
    source = next(iter(sources.values()), None)
    if source is None or not source.enable_kv_cache_events or source.publisher != "zmq":
        return f"it publishes none. To have them, start it with {_CONFIG}"
    if len(sources) > 1 or cache.engines > 1:
        return "it has several engines, and does not say which one answers"
    if source.replay_endpoint is None:
        return f"it does not repeat those that get lost: start it with {_CONFIG}"
    if cache.hash_algorithm != HASH_ALGORITHM:
        return f"it names blocks by {cache.hash_algorithm}: start it with {_CONFIG}"
    host = urlsplit(published or url).hostname or ""
    return EventAddresses(published or _at(host, source.endpoint), _at(host, source.replay_endpoint))


def _at(host: str, endpoint: str) -> str:
    """An endpoint as the server has it, such as tcp://*:5557, as it is reached on `host`."""
    name = f"[{host}]" if ":" in host else host
    return f"tcp://{name}:{endpoint.rpartition(':')[2]}"


async def _names_agree(engine: ResidentEngine, prompt: TokenIds, block_size: int) -> bool:
    """Whether events report a block of a new prompt by its name here; also true if no events arrive yet.

    Raises EngineUnavailable.
    """
    salt = secrets.token_hex(32)
    block, *_ = block_hashes(prompt, block_size, salt)
    await warm(engine, [(salt, to_bytes(prompt), b"")], ANSWER_WITHIN_S)
    for _ in range(int(ANSWER_WITHIN_S / _POLL_S) + 1):
        if engine.feed.reports(block):
            return True
        await asyncio.sleep(_POLL_S)
    return engine.feed.is_silent
