"""Replays a trace through the application's own ordering and routing, on modelled engines.

The agents' views, the placing of prompts and the replicas' residency updates are real. The clock, the engines
and the delay of updates are simulated.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from random import Random
from statistics import mean, quantiles
from typing import Any

from deployments.core.ids import SegmentKey
from deployments.core.reuse.ordering import ORDERS, Candidate, Order, by_popularity
from deployments.core.reuse.paths import Known, ResidencyUpdate, SegmentId, Step, segment_id
from deployments.core.reuse.placing import Placing, place
from deployments.rag.engine_views import EngineViews
from deployments.rag.placer import Placer
from tests.bench.workload.evictions import EVICTIONS
from tests.bench.workload.prompts import Layout, Prompts
from tests.bench.workload.simulated_replica import Job, SimulatedReplica
from tests.bench.workload.trace import Ask, Trace

HEAD = SegmentId(2**63)
"""The preamble's segment; that of a further preamble is the next number."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How documents are ordered, and whether agents choose the replica (`routed`) or it is random."""

    order: Order
    routed: bool


_TRIE_BY_POPULARITY = Order("trie", by_popularity, follow_resident=True)

POLICIES = {
    "random + rank": Policy(ORDERS["rank"], routed=False),
    "random + popularity": Policy(ORDERS["popularity"], routed=False),
    "random + trie": Policy(_TRIE_BY_POPULARITY, routed=False),
    "prefix + rank": Policy(ORDERS["rank"], routed=True),
    "prefix + popularity": Policy(ORDERS["popularity"], routed=True),
    "joint (rank behind)": Policy(ORDERS["trie"], routed=True),
    "joint": Policy(_TRIE_BY_POPULARITY, routed=True),
    "joint, best last": Policy(ORDERS["best_last"], routed=True),
    "joint, best first": Policy(ORDERS["best_first"], routed=True),
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Engines and agents."""

    replicas: int = 4
    capacity_tokens: int | None = 50_000
    """Of one replica; None is unlimited."""
    agents: int = 1
    lag_s: float = 0.0
    """Delay of a cache's updates."""
    use: float | None = None
    """Utilization of the engines if nothing were reused; None keeps the trace's own times."""
    tokens_per_s: float = 20_000.0
    """Prefill speed of one engine."""
    eviction: str = "lru"
    """One of `EVICTIONS`."""
    layout: Layout = field(default_factory=Layout)
    warmed: bool = True
    """Whether each replica has prefilled all preambles before the first request."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a replay."""

    share: float
    """Share of document tokens found in a cache."""
    imbalance: float
    """Tokens that the busiest replica prefilled, over the mean."""
    mean_wait_s: float
    p95_wait_s: float
    prefilled_tokens: tuple[int, ...]
    prompt_tokens: int
    hit_tokens: int
    stored_blocks: int
    """Blocks that the requests stored in caches."""
    evicted_blocks: int
    requests_per_s: float
    """How fast the requests came, in simulated time."""
    place_ms: Sequence[float] = field(compare=False)
    """CPU time of each decision on order and replica."""
    views: Sequence[EngineViews] = field(compare=False)
    """What each agent knows at the end."""


async def no_pause(_: float) -> None:
    """Takes the place of a pause, which would take real time, not the replay's."""


def through_cluster(trace: Trace, policy: Policy, cluster: Cluster, seed: int = 0) -> Outcome:
    """Replays the whole trace."""
    return asyncio.run(_Replay(trace, policy, cluster, seed).run())


class _Replay:
    def __init__(self, trace: Trace, policy: Policy, cluster: Cluster, seed: int) -> None:
        self._trace, self._policy, self._cluster = trace, policy, cluster
        self._prompts = Prompts(trace.tokens, cluster.layout)
        self._rng = Random(seed)
        self._now_s = 0.0
        self._replicas = {
            name: SimulatedReplica(
                name,
                cluster.capacity_tokens,
                cluster.layout.block_tokens,
                cluster.tokens_per_s,
                lambda: self._now_s,
                EVICTIONS[cluster.eviction],
            )
            for name in (f"replica{number}" for number in range(cluster.replicas))
        }
        self._agents = [
            Placer(policy.order, EngineViews(self, lambda: self._now_s, no_pause), Random(seed + number))
            for number in range(cluster.agents)
        ]
        self._uses: Counter[int] = Counter()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._waits_s: list[float] = []
        self._place_ms: list[float] = []

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> Sequence[Mapping[str, ResidencyUpdate]]:
        """The updates of all replicas as of now. They arrive `lag_s` later."""
        updates = [
            {salt: replica.update_for(of_tenant, salt) for salt, of_tenant in known.items()}
            for replica in self._replicas.values()
        ]
        if self._cluster.lag_s:
            arrived = asyncio.get_running_loop().create_future()
            self._at(self._now_s + self._cluster.lag_s, lambda: arrived.set_result(None))
            await arrived
        return updates

    async def run(self) -> Outcome:
        pace = self._pace()
        if self._cluster.warmed:
            self._prefill_preambles()
        found = documents = prompt_tokens = hit_tokens = stored = evicted = 0
        for number, ask in enumerate(self._trace.asks):
            await self._advance(ask.at_s * pace)
            agent = self._agents[self._rng.randrange(len(self._agents))]
            placing, replica = await self._place(agent, ask)
            ordered = [ask.passages[i] for i in placing.order]
            prompt = self._prompts.prompt(ordered, number, ask.preamble)
            job = replica.take(prompt, self._steps(ordered, ask.preamble), ask.tenant)
            self._send(agent, placing, replica, job, prompt.prompt_tokens)
            stored, evicted = stored + len(job.effect.stored), evicted + len(job.effect.evicted)
            self._uses.update(ask.passages)
            documents += prompt.document_tokens
            found += self._prompts.hit_tokens(prompt, job.effect.hit_blocks)
            prompt_tokens += prompt.prompt_tokens
            hit_tokens += job.hit_tokens
        asks = self._trace.asks
        took_s = pace * (asks[-1].at_s - asks[0].at_s)
        await self._advance(float("inf"))
        return self._outcome(
            share=found / documents,
            prompt_tokens=prompt_tokens,
            hit_tokens=hit_tokens,
            stored_blocks=stored,
            evicted_blocks=evicted,
            requests_per_s=len(asks) / took_s,
        )

    def _prefill_preambles(self) -> None:
        preambles = sorted({(ask.preamble, ask.tenant) for ask in self._trace.asks})
        for replica in self._replicas.values():
            for preamble, tenant in preambles:
                prompt = self._prompts.prompt((), -1, preamble)
                replica.finish(replica.take(prompt, self._steps((), preamble), tenant))

    async def _place(self, agent: Placer, ask: Ask) -> tuple[Placing, SimulatedReplica]:
        candidates = [
            Candidate(_key(passage), self._trace.tokens[passage], self._uses[passage])
            for passage in ask.passages
        ]
        layout = self._cluster.layout
        prompt_tokens = layout.preamble_tokens + self._trace.tokens_of(ask.passages) + layout.question_tokens
        head = SegmentId(HEAD + ask.preamble)
        agent.views.refresh(ask.tenant)
        await asyncio.sleep(0)  # lets the survey run, if there is no lag
        if self._policy.routed:
            started_ns = time.thread_time_ns()
            placing = await agent.place(ask.tenant, head, candidates, prompt_tokens)
            self._place_ms.append((time.thread_time_ns() - started_ns) / 1e6)
            name = placing.replicas[0] if placing.replicas else self._rng.choice([*self._replicas])
            return placing, self._replicas[name]
        replica = self._rng.choice([*self._replicas.values()])
        states = [s for s in await agent.views.states(ask.tenant) if s.view.replica == replica.name]
        placing = place(candidates, head, prompt_tokens, states, order=self._policy.order, rng=self._rng)
        return placing, replica

    def _send(
        self, agent: Placer, placing: Placing, replica: SimulatedReplica, job: Job, prompt_tokens: int
    ) -> None:
        """Counts the prompt as sent until its first token, which brings the replica's update."""
        sending = ExitStack()
        missing = max(prompt_tokens - placing.cached_tokens, 0)
        sending.enter_context(agent.views.sending(replica.name, missing))

        def finished() -> None:
            replica.finish(job)
            update = replica.update_for(agent.views.known(job.tenant), job.tenant)
            self._at(job.done_at_s + self._cluster.lag_s, lambda: answered(update))

        def answered(update: ResidencyUpdate) -> None:
            sending.close()
            agent.views.apply(job.tenant, update)

        self._at(job.done_at_s, finished)
        self._waits_s.append(job.done_at_s - self._now_s)

    def _steps(self, ordered: Sequence[int], preamble: int) -> list[Step]:
        documents = [Step(segment_id(_key(passage)), self._trace.tokens[passage]) for passage in ordered]
        return [Step(SegmentId(HEAD + preamble), self._cluster.layout.preamble_tokens), *documents]

    def _pace(self) -> float:
        """The factor for the trace's times that gives the wanted utilization."""
        layout, asks = self._cluster.layout, self._trace.asks
        if self._cluster.use is None:
            return 1.0
        around = layout.preamble_tokens + layout.question_tokens
        tokens = sum(around + self._trace.tokens_of(ask.passages) for ask in asks)
        busy_s = tokens / self._cluster.tokens_per_s / self._cluster.replicas
        return busy_s / self._cluster.use / (asks[-1].at_s - asks[0].at_s)

    def _at(self, when_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._numbers), action))

    async def _advance(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            self._now_s, _, action = heapq.heappop(self._events)
            action()
            await asyncio.sleep(0)  # lets tasks run that waited for it
        self._now_s = until_s

    def _outcome(self, **counted: Any) -> Outcome:
        prefilled = tuple(replica.prefilled_tokens for replica in self._replicas.values())
        return Outcome(
            **counted,
            imbalance=max(prefilled) / mean(prefilled),
            mean_wait_s=mean(self._waits_s),
            p95_wait_s=quantiles(self._waits_s, n=20)[-1],
            prefilled_tokens=prefilled,
            place_ms=self._place_ms,
            views=[agent.views for agent in self._agents],
        )


def _key(passage: int) -> SegmentKey:
    return SegmentKey(f"{passage:016x}")
