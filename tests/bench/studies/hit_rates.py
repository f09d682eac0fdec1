"""How often is a document segment tokenized already?

    python -m tests.bench.studies.hit_rates [--passages 3000]

For each agent this stores a collection, then asks questions about randomly chosen passages, some of which are
asked about much more often than others. Each question is really searched for, and the segments found are
resolved as an agent's replica does, with three states of the cache: as storing the documents leaves it
(written through); cleared; and cleared, then filled by many other questions. Rates are those of the
application's statistics. Knowledge base, chunker, tokenizer, Redis and embedder are the real ones. The
collections hold the same passages, which are embedded only once.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from redis.asyncio import Redis

from deployments.agents.asking import question_of
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.specs import AGENTS
from deployments.core.documents import Passage
from deployments.core.ids import DEFAULT_TENANT, CollectionName, DocId, Scope
from deployments.core.ledger import Reuse
from deployments.core.messages import SegmentSource
from deployments.core.services import TokenCache
from deployments.database.connection import Database
from deployments.knowledge.embedding import SentenceEmbedder
from deployments.rag.stats import cache_stats, increments
from deployments.rag.stopwatch import Stopwatch
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.keys import segments_pattern
from deployments.token_cache.redis_store import RedisSegmentStore
from serve_app.assembly.knowledge import database_url, knowledge_service
from serve_app.assembly.redis import redis_link
from serve_app.assembly.token_cache import token_cache as token_cache_services
from serve_app.local_models import Models, local_models
from serve_app.remote import client_of
from tests.bench.harness.arms import asked
from tests.bench.harness.claims import Claim
from tests.bench.harness.report import Report, as_table
from tests.bench.harness.surroundings import environment, settings_for
from tests.bench.harness.testbed import Testbed, in_process
from tests.bench.studies.articles import RememberingEmbedder, articles, questions
from tests.local_handle import replica_built

GOALS = {"support": 70.0, "business": 65.0, "documentation": 75.0}
"""Hit rate of each agent, in percent of segments."""
MEMORY_GOAL_MIB = 100.0
MODEL_TOKENS = 8192
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """What one question found."""

    counters: dict[str, float]
    """Increments of the application's statistics."""
    segments: tuple[str, ...]
    found: bool
    """Whether the search found the passage that the question is about."""
    cache_error: str | None


async def stored(bed: Testbed, scope: Scope, passages: int, seed: int) -> tuple[Passage, ...]:
    """Stores articles over the public interface until there are enough passages. Returns the passages."""
    drafts, names, found = articles(seed), list[DocId](), 0
    while found < passages:
        batch = list(islice(drafts, AT_ONCE))
        done = await asyncio.gather(*(bed.knowledge.put.remote(scope, draft) for draft in batch))
        names += [draft.doc_id for draft in batch]
        found += sum(one.chunks for one in done)
    return tuple((await bed.knowledge.passages_of.remote(scope, names)).passages)


async def ask(agent: CachedAgent, target: Passage, text: str) -> Seen:
    """Searches and resolves the segments. Nothing answers: there is no engine."""
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


async def memory(bed: Testbed, scope: Scope) -> tuple[int, int]:
    """The number of segments in Redis, and the bytes of memory that they take."""
    sizes = {}
    async with Redis.from_url(EmbeddedRedis(bed.settings.state_dir).acquire()) as redis:
        async for name in redis.scan_iter(segments_pattern(scope.tenant, scope.collection)):
            sizes[name] = int(await redis.memory_usage(name, samples=0) or 0)
    return len(sizes), sum(sizes.values())


async def row(
    bed: Testbed, scope: Scope, name: str, phase: str, seen: Sequence[Seen], passages: int
) -> dict[str, Any]:
    """A row of the table: the figures of some questions."""
    total: dict[str, float] = {}
    for one in seen:
        total = {key: total.get(key, 0) + one.counters.get(key, 0) for key in {*total, *one.counters}}
    measured = await RedisSegmentStore(await redis_link(bed.settings)).usage_by_scope()
    usage = measured[str(scope)]
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
    bed: Testbed, name: str, collection: CollectionName, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """The three rows of an agent, with a new replica for each state of the cache."""
    scope = Scope(DEFAULT_TENANT, collection)
    started_s = time.monotonic()
    of = await stored(bed, scope, options.passages, options.seed)
    print(f"  {name}: {len(of)} passages stored in {time.monotonic() - started_s:.0f} s", flush=True)
    endless = questions(of, Random(f"questions {options.seed} {name}"))
    first, others, last = (
        list(islice(endless, number)) for number in (options.questions, options.warm_up, options.questions)
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


async def _replica(bed: Testbed, name: str) -> CachedAgent:
    """A new agent with an empty L1 and without an engine."""
    return (await bed.agents(None, b"unused", order="rank"))[name]


def claims(rows: Sequence[dict[str, Any]]) -> list[Claim]:
    """A claim for each row's hit rate, and one for the most memory that each agent's segments take."""
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
async def opened(models: Models, state_dir: Path) -> AsyncIterator[Testbed]:
    """A testbed without samples and records: it holds only what this study stores."""
    settings = settings_for(state_dir, samples=False, retrieval_cache=False)
    cached = in_process(await replica_built(partial(token_cache_services, settings, models.llm, AGENTS)))
    bundle = await client_of(TokenCache, cached, "the token cache").bundle()
    database = await Database.open(database_url(settings))
    embedder = await SentenceEmbedder.open(models.embedding)
    knowledge = await knowledge_service(settings, RememberingEmbedder(embedder), cached, database)
    try:
        yield Testbed(settings, models, cached, in_process(knowledge), bundle, BundleEncoder(bundle))
    finally:
        await knowledge.close()
        await database.close()
        embedder.close()


async def run(models: Models, state_dir: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of all agents."""
    rows: list[dict[str, Any]] = []
    async with opened(models, state_dir) as bed:
        for spec in AGENTS:
            rows += await measure(bed, spec.name, spec.collection, options)
            print(as_table(rows[-3:]), flush=True)
    return rows


def main() -> None:
    """Prints the tables and whether the goals are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=3000, help="at least, of each agent")
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
