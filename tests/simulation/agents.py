"""An agent's replica: the real question path with its caches, leases and views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.core.agent_spec import AgentSpec
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import ResolvedSegments, SegmentSource
from deployments.core.reuse.ordering import ORDERS
from deployments.core.salt import entry_seal
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.token_ids import TokenIds, token_ids
from deployments.rag.engine_views import EngineViews
from deployments.rag.parts import RagParts
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.token_cached_rag import TokenCachedRAG
from deployments.redis.connection import RedisLink
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver
from serve_app.assembly.retrieval import KeptTexts, leased_parts
from tests.fakes import SCAFFOLD, FakeEncoder, FakeWarmer
from tests.simulation.engines import EngineClient
from tests.simulation.processes import Dice, Link
from tests.uncached_rag import NoMeter

SECRET = b"a secret of simulations"
SEAL = entry_seal(SECRET)
L1_BYTES = 8_000
"""A dozen segments."""
SPEC = AgentSpec(
    name="support",
    deployment="Support",
    collection=CollectionName("support_kb"),
    ttl_s=3600,
    max_context_tokens=3000,
    temperature=0.0,
    max_tokens=50,
    preamble="Answer from the articles.",
    no_context="I don't know.",
)


class Encoder(FakeEncoder):
    """One id a character. Remembers nothing, since hours pass."""

    def encode_text(self, text: str) -> TokenIds:
        return token_ids(map(ord, text))

    def encode_prompt(
        self, pieces: Sequence[ScaffoldText | PlainText], known: MutableMapping[str, TokenIds] | None = None
    ) -> TokenIds:
        return super().encode_prompt(pieces)


class WatchedResolver:
    """A `CachedResolver`. `strange` lists segments from its first level that no call had put there."""

    def __init__(self, resolver: CachedResolver) -> None:
        self._resolver = resolver
        self._asked: set[tuple[Scope, str]] = set()
        self.strange: list[str] = []

    async def resolve(self, scope: Scope, texts: Sequence[str]) -> ResolvedSegments:
        new = [text for text in dict.fromkeys(texts) if (scope, text) not in self._asked]
        self._asked.update((scope, text) for text in new)
        found = await self._resolver.resolve(scope, texts)
        sources = dict(zip(texts, found.sources, strict=True))
        self.strange += [f"{scope}: {text}" for text in new if sources[text] is SegmentSource.L1]
        return found

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        return self._resolver.clear(tenant, collection)

    def forget(self, matches: Callable[[Scope], bool]) -> int:
        return self._resolver.forget(matches)

    @property
    def unfinished(self) -> int:
        """Segments that are being computed."""
        return len(self._resolver._flights)


class WatchedCounts(SharedCounts):
    """Adds the prompts that are counted to `recorded`, by scope."""

    recorded: Counter[Scope]

    def record(self, scope: Scope, increments: Mapping[str, float], used: Any) -> None:
        self.recorded[scope] += int(increments.get("request_hits", 0) + increments.get("request_misses", 0))
        super().record(scope, increments, used)


@dataclass(frozen=True)
class Peers:
    """What an agent's replica reaches."""

    knowledge: Any
    """A `Remote`, as is the next one."""
    token_cache: Any
    way: Link
    """To the knowledge base."""
    engines: EngineClient
    link: RedisLink
    recorded: Counter[Scope]


class Agent:
    """The services of an agent's process. `order` names the order of its documents."""

    def __init__(
        self, peers: Peers, dice: Dice, clock: Callable[[], float], order: str, *, composed: bool
    ) -> None:
        """`composed`: searches by an inner retriever, as the business agent does."""
        self.way_to_knowledge = peers.way
        encoder = Encoder()
        store = RedisSegmentStore(peers.link)
        self.l1 = SegmentLru(L1_BYTES)
        self.resolver = WatchedResolver(
            CachedResolver(encoder, self.l1, store, peers.token_cache, seal=SEAL, clock=clock)
        )
        self.views = EngineViews(peers.engines, clock)
        kept = KeptTexts(self.resolver.forget, lambda _tenant: None)
        inner = peers.knowledge if composed else None
        leased = leased_parts(
            SPEC, peers.knowledge, peers.link, SECRET, kept, seal=SEAL, inner=inner, clock=clock
        )
        counts = WatchedCounts(RedisCounterStore(peers.link), NoMeter(), clock, counts_uses=False)
        counts.recorded = peers.recorded
        self.salts = leased.salts
        self.retriever = leased.retriever
        self.rag = TokenCachedRAG(
            SPEC,
            RagParts(
                retriever=leased.retriever,
                resolver=self.resolver,
                generator=peers.engines,
                encoder=encoder,
                scaffold=SCAFFOLD,
                counts=counts,
                placer=Placer(ORDERS[order], self.views, dice),
                salts=leased.salts,
                warmer=FakeWarmer(),
                forget_retrievals=lambda scope: leased.retriever.clear(scope.tenant, scope.collection),
                clock=clock,
            ),
        )
        self.generate_with_rag = self.rag.generate_with_rag

    def leftovers(self) -> str:
        """What is left when nobody has asked for a while; "" if nothing is."""
        paths = sum(tenant.paths for tenant in self.views._tenants.values())
        left = {
            "segments": len(self.l1),
            "search results": len(self.retriever._lru),
            "computations": self.resolver.unfinished,
            "pending tokens": sum(load.own for load in self.views._loads.values()),
            "paths miscounted": self.views._paths - paths,
        }
        return ", ".join(f"{count} {name}" for name, count in left.items() if count)

    async def clear_local(self, scope: Scope) -> int:
        """Empties the caches of this process for a scope."""
        return self.rag.clear_local(scope)
