"""Six-turn conversations on the real engine: what each turn finds in the cache, and its TTFT, by layout.

    python -m tests.bench.studies.conversations [--conversations 8] [--model FOLDER]

Each turn retrieves five of 3,009 passages, two of which were in the conversation before, about as many as in
the published week. Layout `documents first` is that of a chat whose caller sends the history, which follows
the documents; `append-only` is that of a conversation that the server keeps; `stored chat` is that of a chat
with `store`, which the server finds by the history's words. All answer the same questions in turn, each with
an own cache salt. All else is the application's own code, with the store of conversations on SQLite. Halfway,
the service is made again, as another replica would be.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, cast

from deployments.agents.specs import SUPPORT
from deployments.conversations.store import ConversationStore
from deployments.core.cache_figures import MeasuredUsage
from deployments.core.conversations import NO_LIMIT, Continuation, Limit, segment_digest
from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.ids import DocId, RequestId, Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Question, Turn
from deployments.core.ports import PromptWarmer
from deployments.core.reuse.ordering import ORDERS
from deployments.core.sampling import Sampling
from deployments.core.token_ids import from_bytes
from deployments.database.connection import Database
from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine
from deployments.rag.engine_views import EngineViews
from deployments.rag.parts import RagParts
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.token_cached_rag import TokenCachedRAG
from deployments.records.record_ids import new_record_id
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.resolver import CachedResolver
from serve_app.local_models import local_models
from serve_app.settings import DEFAULT_ORDER
from tests.bench.harness.claims import Claim
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.surroundings import environment, settings_for
from tests.bench.workload.texts import Texts
from tests.fakes import FakeSalts
from tests.memory_stores import InMemoryCounterStore, InMemorySegmentStore

PASSAGES, PASSAGE_TOKENS = 3009, 200
TURNS, FOUND, AGAIN = 6, 5, 2
"""Turns of a conversation; passages that a turn retrieves; those of them that it had before."""
ANSWER_TOKENS = 16
LAYOUTS = ("documents first", "append-only", "stored chat")


class Planned:
    """A `Retriever` that finds what it was told to, in a collection whose segments are all current."""

    def __init__(self) -> None:
        self.next: tuple[Passage, ...] = ()
        self.segments: dict[str, str] = {}

    async def search(self, query: SearchQuery) -> Retrieval:
        """The passages of this turn."""
        self.segments |= {segment_digest(one.segment): one.segment for one in self.next}
        return Retrieval(self.next, generation=1, searched_as=query.text)

    async def current_segments(
        self, scope: Scope, digests: Sequence[str], limit: Limit = NO_LIMIT
    ) -> dict[str, str]:
        """All of them."""
        return {digest: self.segments[digest] for digest in digests}


class Unmeasured:
    """A `UsageMeter` that has never measured."""

    async def known(self, _: Scope) -> MeasuredUsage | None:
        """Nothing."""
        return None

    fresh = known


class NoReplicas:
    """A `ResidencySource` of one replica, which needs no choice."""

    async def survey(self, known: object) -> Sequence[None]:
        """Nothing is known of it."""
        return ()


@dataclass
class Figures:
    """What one turn measured, in each conversation."""

    prompt: list[int] = field(default_factory=list)
    cached: list[int] = field(default_factory=list)
    earlier: list[int] = field(default_factory=list)
    """Tokens of the prompt and the answer of the turn before."""
    ttft_ms: list[float] = field(default_factory=list)

    def add(self, answer: Answer, earlier: int) -> None:
        """Adds an answer."""
        self.prompt.append(answer.reuse.prompt_tokens)
        self.cached.append(answer.reuse.kv_cached_tokens)
        self.earlier.append(earlier)
        self.ttft_ms.append(answer.timings_ms["ttft"])

    @property
    def prefilled(self) -> float:
        """Tokens that were computed."""
        return (sum(self.prompt) - sum(self.cached)) / len(self.prompt)

    @property
    def found(self) -> float:
        """Percent of the prompt and the answer before that were in the cache."""
        return 100 * sum(self.cached) / max(sum(self.earlier), 1)


class Bench:
    """The service over one engine, and the conversations that it is asked."""

    def __init__(self, engine: VllmEngine, model: str, database: Database) -> None:
        self._engine = engine
        self._bundle = load_bundle(model)
        self._encoder = BundleEncoder(self._bundle)
        self._planned = Planned()
        self._store = ConversationStore(database, self._planned, time.time, new_record_id)
        self._texts = Texts(count=lambda text: len(self._encoder.encode_text(text)))
        self.figures = {layout: [Figures() for _ in range(TURNS)] for layout in LAYOUTS}
        self._asked = 0

    def service(self) -> TokenCachedRAG:
        """The service with empty caches of its own."""
        views = EngineViews(cast(Any, NoReplicas()), time.monotonic)
        parts = RagParts(
            retriever=self._planned,
            resolver=CachedResolver(self._encoder, SegmentLru(2**26), InMemorySegmentStore(), None),
            generator=self._engine,
            encoder=self._encoder,
            scaffold=self._bundle.scaffold,
            counts=SharedCounts(InMemoryCounterStore(), Unmeasured(), time.monotonic),
            placer=Placer(ORDERS[DEFAULT_ORDER], views),
            salts=FakeSalts(),
            warmer=cast(PromptWarmer, None),
            conversations=self._store,
        )
        return TokenCachedRAG(SUPPORT, parts)

    async def converse(self, number: int, turns: int = TURNS) -> None:
        """Holds a conversation in each layout."""
        rng = Random(f"conversation {number}")
        plan = [tuple(self._passage(one) for one in found) for found in _retrieved(rng)[:turns]]
        questions = [self._texts.question(tuple(rng.sample(range(PASSAGES), 2))) for _ in range(turns)]
        for layout in LAYOUTS if number % 2 else LAYOUTS[::-1]:
            await self._held(layout, number, plan, questions)

    async def _held(
        self, layout: str, number: int, plan: Sequence[tuple[Passage, ...]], questions: Sequence[str]
    ) -> None:
        service, history, earlier = self.service(), tuple[Turn, ...](), b""
        tenant = TenantId(f"{layout.split(maxsplit=1)[0]}-{number}")
        for turn, (found, text) in enumerate(zip(plan, questions, strict=True)):
            self._planned.next = found
            kept, told = layout != "documents first", layout == "stored chat"
            last = f"resp_{tenant}-{turn - 1}" if turn and not told else None
            answer = await service.generate_with_rag(
                self._question(
                    tenant,
                    text,
                    history=() if kept and not told else history,
                    continues=Continuation(f"resp_{tenant}-{turn}", previous=last, told=told)
                    if kept
                    else None,
                )
            )
            if kept and turn:
                self._check(answer, earlier)
            self.figures[layout][turn].add(answer, len(from_bytes(earlier)))
            earlier = answer.prompt_ids + answer.answer_ids
            history = (*history, Turn(text, answer.text))
            if turn == TURNS // 2:
                service = self.service()

    def _check(self, answer: Answer, earlier: bytes) -> None:
        """Raises AssertionError if the prompt does not begin with the one before it and its answer."""
        end = self._encoder.control_ids.values()
        ids = from_bytes(earlier)
        whole = ids[:-1] if ids[-1] in end else ids
        assert from_bytes(answer.prompt_ids)[: len(whole)] == whole

    def _question(self, tenant: TenantId, text: str, **more: Any) -> Question:
        self._asked += 1
        return Question(
            scope=Scope(tenant, SUPPORT.collection),
            text=text,
            top_k=FOUND,
            sampling=Sampling(ANSWER_TOKENS, 0.0),
            request_id=RequestId(f"q{self._asked}"),
            deadline_s=600.0,
            **more,
        )

    def _passage(self, number: int) -> Passage:
        text = self._texts.passage(number, PASSAGE_TOKENS)
        return Passage(DocId(f"p{number}"), text.title, "", None, 1, 0, text.body, 1.0, 0.9)


def _retrieved(rng: Random) -> list[list[int]]:
    """The passages that each turn retrieves, best first."""
    had: list[int] = []
    found = []
    for _ in range(TURNS):
        again = rng.sample(had, min(AGAIN, len(had)))
        new = [one for one in rng.sample(range(PASSAGES), FOUND) if one not in had][: FOUND - len(again)]
        found.append(rng.sample([*again, *new], FOUND))
        had += new
    return found


@asynccontextmanager
async def _bench(model: str) -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        path = model or local_models(settings_for(Path(folder)), print).llm
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            engine = await VllmEngine.start(EngineConfig(path, "asked", block_size=32))
        database = await Database.open(f"sqlite:///{folder}/conversations.db")
        try:
            yield Bench(engine, path, database)
        finally:
            await database.close()
            await engine.shutdown()


async def measure(conversations: int, model: str) -> Report:
    """Holds the conversations, and reports what each turn found."""
    report = Report({"conversations": conversations, "model": model})
    async with _bench(model) as bench:
        await bench.converse(-1, turns=1)  # warms the engine up
        bench.figures = {layout: [Figures() for _ in range(TURNS)] for layout in LAYOUTS}
        for number in range(conversations):
            await bench.converse(number)
            print(f"{number + 1} of {conversations} conversations", flush=True)
    for layout, turns in bench.figures.items():
        rows = [
            {
                "turn": number + 1,
                "prompt tokens": round(sum(one.prompt) / len(one.prompt)),
                "prefilled": round(one.prefilled),
                "found of prompt + answer before, %": round(one.found, 1) if number else None,
                "TTFT p50, ms": round(median(one.ttft_ms)),
            }
            for number, one in enumerate(turns)
        ]
        report.table(layout, rows)
        report.add(layout, rows)
    _claim(report, bench.figures)
    return report


def _claim(report: Report, figures: dict[str, list[Figures]]) -> None:
    first, kept = (figures[layout][1:] for layout in LAYOUTS[:2])
    how = f"{sum(len(one.prompt) for one in kept)} later turns"
    least = min(one.found for one in kept)
    report.claim(Claim("found of the prompt and answer before", least, "%", 95, "higher", how))
    ratio = sum(one.prefilled for one in kept) / sum(one.prefilled for one in first)
    report.claim(Claim("prefilled, append-only / documents first", ratio, "", 0.65, "lower", how))
    times = [sum(median(one.ttft_ms) for one in turns) for turns in (kept, first)]
    report.claim(Claim("TTFT, append-only / documents first", times[0] / times[1], "", 1, "lower", how))


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--conversations", type=int, default=8)
    parser.add_argument("--model", default="", help="folder of another model than the benchmark's")
    chosen = parser.parse_args()
    with environment():
        report = asyncio.run(measure(chosen.conversations, chosen.model))
    print(report.write(RESULTS / "conversations.json"))


if __name__ == "__main__":
    main()
