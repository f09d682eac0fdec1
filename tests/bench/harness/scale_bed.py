"""Knowledge, the token cache and an agent in processes of their own, on stores of a chosen size."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from deployments.agents.specs import AGENTS, SUPPORT
from deployments.core.ids import Scope, SegmentKey, TenantId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.token_ids import to_bytes, token_ids
from deployments.database.connection import Database
from deployments.knowledge.embedding import SentenceEmbedder
from deployments.redis.connection import expect
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.codec import encode
from deployments.token_cache.redis_store import RedisSegmentStore
from serve_app.agents import build_of
from serve_app.assembly.agents import AgentPeers
from serve_app.assembly.knowledge import database_url
from serve_app.assembly.records import knowledge_and_records
from serve_app.assembly.redis import redis_link
from serve_app.assembly.token_cache import token_cache
from serve_app.local_models import local_models
from serve_app.settings import Settings
from tests.bench.harness.child_process import ChildHandle, child
from tests.bench.harness.surroundings import settings_for
from tests.bench.harness.synthetic_knowledge import PASSAGES, Filling, SyntheticEmbedder
from tests.bench.harness.testbed import in_process
from tests.local_handle import replica_built

BIG = TenantId("big")
"""The tenant with the large collection."""
COLLECTION = SUPPORT.collection
OWN_PASSAGES = 10
"""Of each other tenant."""
REDIS_MIB = 4096
SEGMENT_TOKENS = 200
_VOCABULARY = 49_152
_TTL_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    name: str
    tenants: int
    """Besides `BIG`."""
    passages: int
    """Of `BIG`."""
    segments: int
    """In Redis."""

    def tenant(self, number: int) -> TenantId:
        """One of the tenants, by any number."""
        return TenantId(f"tenant-{number % self.tenants}")


class QuickEngine:
    """Implements what agents call of an engine, and answers at once: it would only add prefill time."""

    async def generate(self, request: GenerateRequest, **_: Any) -> AsyncGenerator[Delta, None]:
        """One token."""
        yield Delta("Yes", to_bytes(token_ids([1])), "stop", 0, 0.0, 0.0, 0.0)

    async def describe(self) -> EngineInfo:
        """A model of 8,192 tokens."""
        return EngineInfo("quick", 8192, block_size=32, kv_cache_tokens=1_000_000)

    async def survey(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing is resident."""
        return {}


@dataclass(frozen=True)
class ScaleBed:
    """The running processes."""

    knowledge: ChildHandle
    agent: ChildHandle
    pids: Mapping[str, int]
    """By part: "knowledge", "agent", "redis"."""


async def fill_database(state_dir: Path, size: Size, seconds: float) -> bool:
    """Stores the passages of all tenants; returns False if the time was over before. A next call goes on."""
    settings = settings_of(state_dir)
    database = await Database.open(database_url(settings))
    try:
        fingerprint = load_bundle(local_models(settings, print).llm).fingerprint
        filling = Filling(database, fingerprint, settings.chunk_tokens, COLLECTION)
        await filling.hurry()
        for number in range(size.tenants):
            await filling.fill(size.tenant(number), 1, OWN_PASSAGES)
        return await filling.fill(BIG, size.passages // PASSAGES, PASSAGES, seconds)
    finally:
        await database.close()


@asynccontextmanager
async def open_bed(state_dir: Path, size: Size) -> AsyncIterator[ScaleBed]:
    """Starts the processes, and fills Redis."""
    settings = settings_of(state_dir)
    models = local_models(settings, print)
    server = EmbeddedRedis(state_dir, maxmemory_mb=REDIS_MIB)
    server.acquire()
    await _fill_redis(settings, size)
    sockets = {name: state_dir / f"{name}.sock" for name in ("tokens", "knowledge", "agent")}
    for socket in sockets.values():
        socket.unlink(missing_ok=True)  # of a run that was killed
    builds = {
        "tokens": partial(_tokens, settings, models.llm),
        "knowledge": partial(_knowledge, settings, models.embedding, sockets["tokens"]),
        "agent": partial(_agent, settings, sockets["tokens"], sockets["knowledge"]),
    }
    try:
        with ExitStack() as children:
            pids = {
                name: children.enter_context(child(build, sockets[name])) for name, build in builds.items()
            }
            pids["redis"] = await _redis_pid(settings)
            yield ScaleBed(ChildHandle(sockets["knowledge"]), ChildHandle(sockets["agent"]), pids)
    finally:
        server.release()
        for socket in sockets.values():
            socket.unlink(missing_ok=True)


def settings_of(state_dir: Path) -> Settings:
    """The settings of all processes."""
    return settings_for(state_dir, samples=False)


async def _tokens(settings: Settings, model: str) -> Any:
    return await replica_built(partial(token_cache, settings, model, AGENTS))


async def _knowledge(settings: Settings, embedding: str, tokens: Path) -> Any:
    async def opened(*_: Any) -> SyntheticEmbedder:
        return SyntheticEmbedder()

    with patch.object(SentenceEmbedder, "open", opened):
        return await replica_built(partial(knowledge_and_records, settings, embedding, ChildHandle(tokens)))


async def _agent(settings: Settings, tokens: Path, knowledge: Path) -> Any:
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # no line for each answer
    engine = in_process(QuickEngine())
    peers = AgentPeers(AGENTS, ChildHandle(tokens), ChildHandle(knowledge), engine, b"secret")
    return await replica_built(build_of(SUPPORT, settings, peers))


async def _fill_redis(settings: Settings, size: Size) -> None:
    """Stores segments of all tenants. Those of a tenant are equal except for their keys."""
    link, rng = await redis_link(settings), Random(1)
    store = RedisSegmentStore(link)
    for number in range(size.tenants):
        ids = token_ids(rng.choices(range(_VOCABULARY), k=SEGMENT_TOKENS))
        keys = [SegmentKey(f"{rng.getrandbits(192):048x}") for _ in range(size.segments // size.tenants)]
        value = encode(ids, keys[0], _VOCABULARY)
        await store.put_many(Scope(size.tenant(number), COLLECTION), dict.fromkeys(keys, value), _TTL_S)
    await link.close()


async def _redis_pid(settings: Settings) -> int:
    link = await redis_link(settings)
    (info,) = await link.call(("INFO", "server"))
    await link.close()
    return int(expect(dict, info)["process_id"])
