"""Sends the requests of a trace, one after the other, through the application's own ordering and routing.

The replicas are real engines or modelled ones; all other code is the same for both. Time is the trace's own:
there are about a hundred seconds between requests, so the replicas are surveyed again with each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from deployments.core.ids import SegmentKey
from deployments.core.reuse.eviction import EvictionPolicy
from deployments.core.reuse.ordering import Candidate
from deployments.core.reuse.paths import Known, ResidencyUpdate, SegmentId, Step, segment_id
from deployments.core.reuse.placing import Placing, place
from deployments.rag.engine_views import EngineViews
from deployments.rag.placer import Placer
from tests.bench.workload.cluster import Policy, no_pause
from tests.bench.workload.evictions import EVICTIONS
from tests.bench.workload.prompts import Prompt, Prompts
from tests.bench.workload.simulated_replica import SimulatedReplica
from tests.bench.workload.trace import Ask, Trace

HEAD = SegmentId(2**63)
TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Sent:
    """A prompt as a replica gets it: the question's number, the passages in order, and the steps."""

    number: int
    documents: tuple[int, ...]
    prompt: Prompt
    steps: tuple[Step, ...]


class Served(NamedTuple):
    """How many tokens a replica found in its cache, and its residency update."""

    cached_tokens: int
    update: ResidencyUpdate


class Replica(Protocol):
    """An engine, real or modelled."""

    name: str

    async def serve(self, sent: Sent, known: Sequence[Known]) -> Served:
        """Answers one prompt."""
        ...

    def survey(self, known: Sequence[Known]) -> ResidencyUpdate:
        """What has changed in its cache since what is `known`."""
        ...


class ModelReplica:
    """A replica whose cache is a model."""

    def __init__(
        self, name: str, capacity_tokens: int, block_tokens: int, eviction: EvictionPolicy = "documents"
    ) -> None:
        self.name = name
        self._now_s = 0.0
        self._modelled = SimulatedReplica(
            name, capacity_tokens, block_tokens, 1.0, lambda: self._now_s, EVICTIONS[eviction]
        )

    async def serve(self, sent: Sent, known: Sequence[Known]) -> Served:
        """Admits the prompt to the modelled cache."""
        job = self._modelled.take(sent.prompt, sent.steps)
        self._now_s = job.done_at_s
        self._modelled.finish(job)
        return Served(job.hit_tokens, self._modelled.update_for(known))

    def survey(self, known: Sequence[Known]) -> ResidencyUpdate:
        """The update of the modelled replica."""
        return self._modelled.update_for(known)


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of one request."""

    document_tokens: int
    found_tokens: int
    """Document tokens that the cache had."""
    cached_tokens: int
    """Prompt tokens that the cache had."""
    expected_tokens: int
    """Prompt tokens that the application expected the cache to have."""
    estimated: bool
    """Whether the replica only estimates what is in its cache."""
    keys: tuple[SegmentKey, ...]
    """The documents, in the order of the prompt."""


def share(found: Sequence[Found]) -> float:
    """Percent of document tokens that the cache had."""
    return 100 * sum(one.found_tokens for one in found) / sum(one.document_tokens for one in found)


def as_expected(found: Sequence[Found]) -> float:
    """Percent of requests for which the expectation was exactly right."""
    return 100 * sum(one.cached_tokens == one.expected_tokens for one in found) / len(found)


class Through:
    """One agent and its replicas, whose caches have the preamble after `open`."""

    def __init__(
        self, trace: Trace, prompts: Prompts, policy: Policy, replicas: Sequence[Replica], seed: int
    ) -> None:
        self._trace, self._prompts, self._policy = trace, prompts, policy
        self._replicas = {replica.name: replica for replica in replicas}
        self._rng = Random(seed)
        self._now_s = 0.0
        views = EngineViews(self, lambda: self._now_s, no_pause)
        self._placer = Placer(policy.order, views, Random(seed))

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> Sequence[Mapping[str, ResidencyUpdate]]:
        """The replicas as they are now."""
        return [
            {salt: replica.survey(of_tenant) for salt, of_tenant in known.items()}
            for replica in self._replicas.values()
        ]

    async def open(self) -> None:
        """Prefills the preamble on each replica, as a replica does before it takes requests."""
        for replica in self._replicas.values():
            await replica.serve(self._sent((), -1), ())

    async def ask(self, ask: Ask, number: int) -> Found:
        """Sends one request. `number` makes its question unique."""
        self._now_s = ask.at_s
        placing, replica = await self._place(ask)
        sent = self._sent([ask.passages[i] for i in placing.order], number)
        views = self._placer.views
        with views.sending(replica.name, max(sent.prompt.prompt_tokens - placing.cached_tokens, 0)):
            served = await replica.serve(sent, views.known(TENANT))
        views.apply(TENANT, served.update)
        blocks = served.cached_tokens // self._prompts.layout.block_tokens
        return Found(
            document_tokens=sent.prompt.document_tokens,
            found_tokens=self._prompts.hit_tokens(sent.prompt, blocks),
            cached_tokens=served.cached_tokens,
            expected_tokens=placing.cached_tokens,
            estimated=served.update.estimated,
            keys=tuple(key_of(passage) for passage in sent.documents),
        )

    async def all(self, first: int, count: int) -> list[Found]:
        """Sends `count` requests of the trace, beginning with number `first`."""
        asks = self._trace.asks[first : first + count]
        return [await self.ask(ask, first + i) for i, ask in enumerate(asks)]

    async def _place(self, ask: Ask) -> tuple[Placing, Replica]:
        tokens = self._trace.tokens
        candidates = [Candidate(key_of(passage), tokens[passage]) for passage in ask.passages]
        layout = self._prompts.layout
        prompt_tokens = layout.preamble_tokens + self._trace.tokens_of(ask.passages) + layout.question_tokens
        self._placer.views.refresh(TENANT)
        await asyncio.sleep(0)  # lets the survey run
        if self._policy.routed:
            placing = await self._placer.place(TENANT, HEAD, candidates, prompt_tokens)
            return placing, self._replicas[placing.replicas[0]]
        replica = self._rng.choice([*self._replicas.values()])
        states = await self._placer.views.states(TENANT)
        placing = place(
            candidates,
            HEAD,
            prompt_tokens,
            [state for state in states if state.view.replica == replica.name],
            order=self._policy.order,
            rng=self._rng,
        )
        return placing, replica

    def _sent(self, ordered: Sequence[int], number: int) -> Sent:
        head = Step(HEAD, self._prompts.layout.preamble_tokens)
        documents = [Step(segment_id(key_of(passage)), self._trace.tokens[passage]) for passage in ordered]
        return Sent(number, tuple(ordered), self._prompts.prompt(ordered, number), (head, *documents))


def key_of(passage: int) -> SegmentKey:
    """The key of a passage."""
    return SegmentKey(f"{passage:016x}")
