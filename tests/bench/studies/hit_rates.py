"""How often is a document segment tokenized already? `python -m tests.bench.hit_rates [--passages 3000]`.

For each agent a collection of its own, then questions drawn from a skewed distribution, worded in words of
the passages that they are about; every question is really retrieved, and its segments resolved as an agent's
replica does. Three times: the collection stored as it is by default (written through), the same after the
cache was cleared (as if it had been stored without), and that again after many other questions. Rates are
those of the application's own statistics. The real knowledge base, chunker, tokenizer and Redis, and the real
embedder, which is asked once for each text: the collections hold the same passages, the questions differ.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, count, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from redis.asyncio import Redis

from deployments.agents.asking import question_of
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.specs import AGENTS
from deployments.core.documents import DocumentDraft, Passage
from deployments.core.ids import DEFAULT_TENANT, CollectionName, DocId, Fingerprint, Scope
from deployments.core.ledger import Reuse
from deployments.core.messages import SegmentSource
from deployments.database.connection import Database
from deployments.knowledge.embedding import Embedder, Matrix, SentenceEmbedder, Vector
from deployments.rag.stats import cache_stats, increments
from deployments.rag.stopwatch import Stopwatch
from deployments.token_cache.deployment import TokenCache
from deployments.token_cache.embedded_server import EmbeddedRedis
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.keys import segments_pattern
from serve_app.assembly.knowledge import database_url, knowledge_service
from serve_app.assembly.token_cache import token_cache_service
from serve_app.local_models import Models, local_models
from tests.bench.arms import asked
from tests.bench.bed import Bed
from tests.bench.claims import Claim
from tests.bench.in_process import InProcess, made
from tests.bench.report import Report, as_table
from tests.bench.surroundings import environment, settings_for
from tests.bench.workload.generator import FROZEN
from tests.bench.workload.texts import OPENINGS, Texts

GOALS = {"support": 70.0, "business": 65.0, "documentation": 75.0}
"""Percent of segments, after warm-up."""
MEMORY_GOAL_MIB = 100.0
EXPONENT = 1.25
FLAT_PART = 1 / 60
"""The passage of rank r is asked for as (r + FLAT_PART * passages) ** -EXPONENT. With 3,000 passages the
first 1 / 3 / 10 / 20 % take 17.2 / 35.2 / 59.9 / 73.6 % of the questions; in the published week 17.8 / 34 /
58.6 / 74.4 % of the accesses."""
MODEL_TOKENS = 8192
WORDS = 6
"""Of a passage in a question about it."""
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """One question: its segments by where their ids came from, and what was found."""

    counters: dict[str, float]
    segments: tuple[str, ...]
    found: bool
    cache_error: str | None


@dataclass(frozen=True)
class Remembering:
    """An `Embedder` that asks another for each text once."""

    real: Embedder
    documents: dict[str, Vector] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)

    @property
    def fingerprint(self) -> Fingerprint:
        """See `Embedder`."""
        return self.real.fingerprint

    @property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return self.real.dimensions

    async def embed_query(self, text: str) -> Vector:
        """See `Embedder`."""
        if text not in self.queries:
            self.queries[text] = await self.real.embed_query(text)
        return self.queries[text]

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """See `Embedder`."""
        return await self.real.embed_queries(texts)

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """See `Embedder`."""
        new = [text for text in dict.fromkeys(texts) if text not in self.documents]
        self.documents.update(zip(new, await self.real.embed_documents(new), strict=True))
        return np.array([self.documents[text] for text in texts], np.float32).reshape(len(texts), -1)


def articles(seed: int) -> Iterator[DocumentDraft]:
    """Without end: of the frozen generator's lengths, in sentences of the sample articles."""
    texts, rng = Texts(), Random(f"lengths {seed}")
    longest = 2 * FROZEN.mean_passage_tokens - 20
    for number in count():
        wide = rng.gauss(FROZEN.mean_passage_tokens, FROZEN.spread_passage_tokens)
        article = texts.passage(number, round(min(max(wide, 20), longest)))
        name = DocId(f"article-{number}")
        yield DocumentDraft(name, article.title, None, "text/markdown", article.body.encode())


async def stored(bed: Bed, scope: Scope, passages: int, seed: int) -> tuple[Passage, ...]:
    """Stores articles as a user does until there are so many passages. Returns these."""
    drafts, names, found = articles(seed), list[DocId](), 0
    while found < passages:
        batch = list(islice(drafts, AT_ONCE))
        done = await asyncio.gather(*(bed.knowledge.put.remote(scope, draft) for draft in batch))
        names += [draft.doc_id for draft in batch]
        found += sum(one.chunks for one in done)
    return tuple((await bed.knowledge.passages_of.remote(scope, names)).passages)


def questions(of: Sequence[Passage], rng: Random) -> Iterator[tuple[Passage, str]]:
    """Without end: which passage it is about, and the question."""
    flat = FLAT_PART * len(of)
    upto = list(accumulate((rank + 1 + flat) ** -EXPONENT for rank in range(len(of))))
    by_rank = rng.sample(of, len(of))
    while True:
        (target,) = rng.choices(by_rank, cum_weights=upto)
        about, _, _ = target.title.rpartition(", part ")
        words = sorted({word.strip(".,:;()*`").lower() for word in target.body.split()} - {""})
        long = [word for word in words if len(word) > 4] or words
        named = " ".join(rng.sample(long, min(WORDS, len(long))))
        yield target, f"{rng.choice(OPENINGS)} {about.lower()}: {named}?"


async def ask(agent: CachedAgent, target: Passage, text: str) -> Seen:
    """Retrieves and resolves; there is no engine to answer."""
    watch = Stopwatch(time.monotonic)
    question = question_of(agent.spec, asked(text, 64, top_k=5))
    found = await agent._rag._preparer.select(question, MODEL_TOKENS, watch)  # type: ignore[attr-defined]
    by_source = {source: found.sources.count(source) for source in SegmentSource}
    reuse = Reuse(
        segments=len(found.sources),
        l1=by_source[SegmentSource.L1],
        redis=by_source[SegmentSource.REDIS],
        tokenized=by_source[SegmentSource.TOKENIZED],
        prompt_tokens=0,
        kv_cached_tokens=0,
        order="rank",
        dropped=found.dropped,
        answer="generated",
    )
    segments = tuple(passage.segment for passage in found.passages)
    counters = increments(reuse, watch.elapsed_ms)
    return Seen(counters, segments, target.segment in segments, found.cache_error)


async def memory(bed: Bed, scope: Scope) -> tuple[int, int]:
    """How many segments Redis holds, and what they take of its memory, in bytes."""
    sizes = {}
    async with Redis.from_url(EmbeddedRedis(bed.settings.state_dir).acquire()) as redis:
        async for name in redis.scan_iter(segments_pattern(scope.tenant, scope.collection)):
            sizes[name] = int(await redis.memory_usage(name, samples=0) or 0)
    return len(sizes), sum(sizes.values())


async def row(
    bed: Bed, scope: Scope, name: str, phase: str, seen: Sequence[Seen], passages: int
) -> dict[str, Any]:
    """Of some questions' figures."""
    total: dict[str, float] = {}
    for one in seen:
        total = {key: total.get(key, 0) + one.counters.get(key, 0) for key in {*total, *one.counters}}
    usage = await bed.token_cache.usage.remote(scope)
    stats = cache_stats(total, usage, 0.0)
    entries, used = await memory(bed, scope)
    return {
        "agent": name,
        "cache": phase,
        "questions": len(seen),
        "segments": stats.cache_hits + stats.cache_misses,
        "distinct": len({one for question in seen for one in question.segments}),
        "hit_rate": stats.hit_rate,
        "request_hit_rate": stats.request_hit_rate,
        "target_found": round(100 * sum(one.found for one in seen) / len(seen), 1),
        "entries": entries,
        "of": passages,
        "tokens": stats.total_tokens_cached,
        "values_mib": round(usage.value_bytes / 2**20, 3),
        "redis_mib": round(used / 2**20, 3),
        "cache_errors": sum(one.cache_error is not None for one in seen),
    }


async def measure(
    bed: Bed, name: str, collection: CollectionName, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """One agent's three rows. Before each cache state, its replica is a new one."""
    scope = Scope(DEFAULT_TENANT, collection)
    started_s = time.monotonic()
    of = await stored(bed, scope, options.passages, options.seed)
    print(f"  {name}: {len(of)} passages stored in {time.monotonic() - started_s:.0f} s", flush=True)
    posed = questions(of, Random(f"questions {options.seed} {name}"))
    first, others, last = (
        list(islice(posed, number)) for number in (options.questions, options.warm_up, options.questions)
    )

    async def phase(shown: str, agent: CachedAgent, asks: Sequence[tuple[Passage, str]]) -> dict[str, Any]:
        seen = [await ask(agent, target, text) for target, text in asks]
        return await row(bed, scope, name, shown, seen, len(of))

    rows = [await phase("written through", await _replica(bed, name), first)]
    await bed.token_cache.clear.remote(scope.tenant, scope.collection)
    cold = await _replica(bed, name)
    rows.append(await phase("cleared", cold, first))
    for target, text in others:
        await ask(cold, target, text)
    rows.append(await phase(f"{options.questions + options.warm_up} questions on", cold, last))
    return rows


async def _replica(bed: Bed, name: str) -> CachedAgent:
    """With an empty L1. It has no engine, which nothing here asks."""
    return (await bed.agents(None, b"unused", order="rank"))[name]


def claims(rows: Sequence[dict[str, Any]]) -> list[Claim]:
    """Each row's rate, and the memory of each agent's cache at its fullest."""
    found = []
    for one in rows:
        how = f"{one['questions']} questions; whole prompts {one['request_hit_rate']} %"
        shown = f"{one['agent']}, {one['cache']}"
        found.append(Claim(shown, one["hit_rate"], "% of segments", GOALS[one["agent"]], "higher", how))
    for name in GOALS:
        fullest = max(one["redis_mib"] for one in rows if one["agent"] == name)
        found.append(Claim(f"{name}, memory in Redis", fullest, "MiB", MEMORY_GOAL_MIB, "lower"))
    return found


@asynccontextmanager
async def opened(models: Models, state_dir: Path) -> AsyncIterator[Bed]:
    """Without samples and without records: nothing is in it but what is stored here."""
    settings = settings_for(state_dir, samples=False, retrieval_cache=False)
    token_cache = await made(TokenCache, partial(token_cache_service, settings, models.llm))
    cached, bundle = InProcess(token_cache), await token_cache.bundle()
    database = await Database.open(database_url(settings))
    embedder = await SentenceEmbedder.open(models.embedding)
    knowledge = await knowledge_service(settings, Remembering(embedder), cached, database)
    try:
        yield Bed(settings, models, cached, InProcess(knowledge), bundle, BundleEncoder(bundle))
    finally:
        await knowledge.close()
        await database.close()
        embedder.close()


async def run(models: Models, state_dir: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All agents' rows."""
    rows: list[dict[str, Any]] = []
    async with opened(models, state_dir) as bed:
        for spec in AGENTS:
            rows += await measure(bed, spec.name, spec.collection, options)
            print(as_table(rows[-3:]), flush=True)
    return rows


def main() -> None:
    """Prints the tables and what of the goals is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=3000, help="of each agent, at least")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=400, help="questions before the last ones")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = Report(vars(options))
    with environment(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        state_dir = Path(folder)
        models = local_models(settings_for(state_dir), print)
        rows = asyncio.run(run(models, state_dir, options))
    report.table("Segments found tokenized, percent", rows)
    for claim in claims(rows):
        report.claim(claim)


if __name__ == "__main__":
    main()
