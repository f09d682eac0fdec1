"""A cluster in one event loop: its processes, its faults, and the callers that use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from deployments.core.errors import CacheUnavailable, KnowledgeUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import TokenizerBundle
from deployments.retrieval.lease_granting import Leases
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.service import TokenCacheService
from tests.fakes import FAKE_VOCAB_SIZE, SCAFFOLD
from tests.simulation.agents import SEAL, SPEC, Agent, Encoder, Peers
from tests.simulation.auditor import Auditor
from tests.simulation.contents import Contents
from tests.simulation.engines import EngineClient, EngineReplica
from tests.simulation.knowledge import SimulatedKnowledge
from tests.simulation.memory_redis import MemoryRedis, SimulatedLink
from tests.simulation.processes import Dice, Link, Process, Remote, Tasks

TENANTS = tuple(map(TenantId, ("acme", "beta", "coop")))
AGENTS = 3
ENGINES = 2
DRIFT = 0.008
"""How much faster or slower than others a process's clock may go."""


class Clock:
    """A process's monotonic clock: it starts anywhere, and is a little fast or slow."""

    def __init__(self, now: Callable[[], float], dice: Dice) -> None:
        self._now = now
        self._offset_s = dice.random() * 1e6
        self._rate = 1 + dice.uniform(-DRIFT, DRIFT)

    def __call__(self) -> float:
        return self._offset_s + self._now() * self._rate


class World:
    """The processes that run now. Each is started again after it has crashed."""

    def __init__(self, dice: Dice, tasks: Tasks, now: Callable[[], float]) -> None:
        self.dice = dice
        self.contents = Contents()
        self.auditor = Auditor(self.contents, now)
        self.redis = MemoryRedis(now)
        self.recorded: Counter[Scope] = Counter()
        self.alone = dice.random() < 0.7
        self.order = dice.choice(("trie", "trie", "rank", "best_last"))
        self._tasks = tasks
        self._now = now
        self._numbers = 0
        self.token_cache: Process | None = None
        self.knowledge: list[Process] = []
        self.agents: list[Process] = []
        self.engines: list[EngineReplica] = []
        self.start_missing()

    @property
    def scopes(self) -> list[Scope]:
        """The agent's collection of each tenant."""
        return [Scope(tenant, SPEC.collection) for tenant in TENANTS]

    def start_missing(self) -> None:
        """Starts what does not run."""
        if self.token_cache is None:
            self.token_cache = self._started("token-cache", self._token_cache)
        while len(self.knowledge) < (1 if self.alone else 2):
            self.knowledge.append(self._started("knowledge", self._knowledge))
        while len(self.agents) < AGENTS:
            self.agents.append(self._started("agent", self._agent))
        while len(self.engines) < ENGINES:
            self._numbers += 1
            process = Process(f"engine-{self._numbers}", self._tasks)
            clock = self._clock()
            self.engines.append(EngineReplica(process, self.dice, clock, self.auditor.engine_got))

    def crash_token_cache(self) -> None:
        """Its next start is up to the caller, as for all others."""
        if self.token_cache is not None:
            self.token_cache.crash()
            self.token_cache = None

    def crash_knowledge(self) -> None:
        """Crashes one process of the knowledge base."""
        if self.knowledge:
            self.knowledge.pop(self.dice.randrange(len(self.knowledge))).crash()

    def crash_agent(self) -> None:
        """Crashes one agent."""
        if self.agents:
            self.agents.pop(self.dice.randrange(len(self.agents))).crash()

    def crash_engine(self) -> None:
        """Crashes one engine's process."""
        if self.engines:
            self.engines.pop(self.dice.randrange(len(self.engines))).process.crash()

    def any_knowledge(self) -> Process | None:
        """The process that a call to the knowledge base reaches."""
        return self.dice.choice(self.knowledge) if self.knowledge else None

    def _started(self, name: str, make: Callable[[Callable[[], float]], object]) -> Process:
        self._numbers += 1
        process = Process(f"{name}-{self._numbers}", self._tasks)
        process.service = make(self._clock())
        return process

    def _clock(self) -> Clock:
        return Clock(self._now, self.dice)

    def _link(self, clock: Callable[[], float]) -> SimulatedLink:
        return SimulatedLink(self.redis, self.dice, clock)

    def _token_cache(self, clock: Callable[[], float]) -> TokenCacheService:
        link, encoder = self._link(clock), Encoder()
        bundle = TokenizerBundle("", SCAFFOLD, encoder.fingerprint, FAKE_VOCAB_SIZE)
        store, retrievals = RedisSegmentStore(link), RedisRetrievalStore(link)
        return TokenCacheService(bundle, encoder, store, _ttl_s, retrievals=retrievals, seal=SEAL)

    def _knowledge(self, clock: Callable[[], float]) -> SimulatedKnowledge:
        writer: Any = Remote(lambda: self.token_cache, self.dice, CacheUnavailable)
        leases = Leases(alone=self.alone, clock=clock)
        return SimulatedKnowledge(self.contents, self.dice, writer, leases)

    def _agent(self, clock: Callable[[], float]) -> Agent:
        way = Link(self.dice)
        peers = Peers(
            knowledge=Remote(self.any_knowledge, self.dice, KnowledgeUnavailable, way),
            way=way,
            token_cache=Remote(lambda: self.token_cache, self.dice),
            engines=EngineClient(lambda: self.engines, self.dice, self._now),
            link=self._link(clock),
            recorded=self.recorded,
        )
        return Agent(peers, self.dice, clock, self.order, composed=self._numbers % 3 == 0)


def _ttl_s(_collection: CollectionName) -> int:
    return SPEC.ttl_s
