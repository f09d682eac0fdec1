"""How fast are files stored, one after another and as one ingest?

    python -m tests.bench.studies.ingest --docs FOLDER [--pattern '*.html'] [--pages 121]

Stores the files of a folder twice, each time in an empty collection of a new SQLite database: with a PUT
for each, one after another, and with the route for many files; then the latter again, when all are known.
The knowledge base is the real one, with its document processes, the embedding model and the token cache,
without Ray and Redis. Seconds of the CPU count all processes. Writes `bench-results/ingest.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import psutil

from deployments.agents.specs import AGENTS
from deployments.core.documents import EXTENSIONS, DocumentDraft
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.database.connection import Database
from deployments.knowledge.embedding import SentenceEmbedder
from deployments.knowledge.service import KnowledgeService
from serve_app.assembly.knowledge import database_url, knowledge_service
from serve_app.assembly.token_cache import token_cache as token_cache_services
from serve_app.http.ingest import Ingest
from serve_app.http.upload_streams import Upload
from serve_app.local_models import Models, local_models, usable_cores
from serve_app.services import Services
from tests.bench.harness.report import RESULTS, machine, versions
from tests.bench.harness.surroundings import environment, settings_for
from tests.bench.harness.testbed import in_process
from tests.local_handle import replica_built

Store = Callable[[KnowledgeService, Scope, Sequence[DocumentDraft]], Awaitable[int]]
"""Stores documents; returns how many chunks they have."""


async def one_by_one(knowledge: KnowledgeService, scope: Scope, drafts: Sequence[DocumentDraft]) -> int:
    """With a PUT for each."""
    return sum([(await knowledge.put(scope, draft)).chunks for draft in drafts])


async def together(knowledge: KnowledgeService, scope: Scope, drafts: Sequence[DocumentDraft]) -> int:
    """As one ingest."""

    async def uploads() -> AsyncIterator[Upload]:
        for draft in drafts:
            yield draft

    parts = SimpleNamespace(library=knowledge, changed=lambda *_: None)
    work = Ingest(scope, cast(Services, parts))
    await work.run(uploads())
    lines = [json.loads(work.lines.get_nowait() or b"{}") for _ in range(work.lines.qsize())]
    for line in lines:
        if line.get("error"):
            print(f"  {line.get('doc_id', 'the request')}: {line['error']['message']}", flush=True)
    return sum(line.get("chunks") or 0 for line in lines)


@asynccontextmanager
async def opened(models: Models, state_dir: Path) -> AsyncIterator[KnowledgeService]:
    """An empty knowledge base."""
    settings = settings_for(state_dir, samples=False, retrieval_cache=False)
    cache = in_process(await replica_built(partial(token_cache_services, settings, models.llm, AGENTS)))
    database = await Database.open(database_url(settings))
    embedder = await SentenceEmbedder.open(models.embedding, usable_cores())
    knowledge = await knowledge_service(settings, embedder, cache, database)
    try:
        yield knowledge
    finally:
        await knowledge.close()
        await database.close()
        embedder.close()


async def measured(
    store: Store, knowledge: KnowledgeService, scope: Scope, drafts: Sequence[DocumentDraft]
) -> dict[str, Any]:
    """Stores documents; returns how long it took."""
    cpu_s, start_s = _cpu_s(), time.perf_counter()
    chunks = await store(knowledge, scope, drafts)
    return {
        "chunks": chunks,
        "seconds": round(time.perf_counter() - start_s, 1),
        "cpu_seconds": round(_cpu_s() - cpu_s, 1),
        "resident_mib": sum(process.memory_info().rss for process in _processes()) >> 20,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def _processes() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _cpu_s() -> float:
    """Seconds of the CPU that this process and its children took; document processes live through a run."""
    times = [process.cpu_times() for process in _processes()]
    return float(sum(spent.user + spent.system for spent in times))


def files(folder: Path, pattern: str, most: int) -> list[DocumentDraft]:
    """The files of a folder and those below it, evenly thinned out to `most`."""
    found = sorted(file for file in folder.rglob(pattern) if file.suffix.lower() in EXTENSIONS)
    chosen = [found[number * len(found) // most] for number in range(min(most, len(found)))]
    if len(found) <= most:
        chosen = found
    return [
        DocumentDraft(
            DocId(str(file.relative_to(folder))),
            "",
            None,
            EXTENSIONS[file.suffix.lower()],
            file.read_bytes(),
        )
        for file in chosen
    ]


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs all arms."""
    drafts = files(arguments.docs, arguments.pattern, arguments.pages)
    size = sum(len(draft.raw) for draft in drafts)
    figures: dict[str, Any] = {"pages": len(drafts), "megabytes": round(size / 1e6, 1)}
    print(figures, flush=True)
    with TemporaryDirectory() as state:
        models = local_models(settings_for(Path(state)), print)
    scope = Scope(TenantId("bench"), CollectionName("support_kb"))
    arms: dict[str, Sequence[tuple[str, Store]]] = {
        "one": [("one by one", one_by_one)],
        "many": [("ingest", together), ("ingest again", together)],
    }
    for stores in arms.values():
        with TemporaryDirectory() as state:
            async with opened(models, Path(state)) as knowledge:
                for name, store in stores:
                    figures[name] = await measured(store, knowledge, scope, drafts)
                    print(f"{name}: {figures[name]}", flush=True)
    return figures


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--docs", type=Path, required=True, help="a folder of files")
    parser.add_argument("--pattern", default="*.html")
    parser.add_argument("--pages", type=int, default=121, help="most files")
    with environment():
        figures = asyncio.run(run(parser.parse_args()))
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": machine(), "versions": versions(), **figures}
    (RESULTS / "ingest.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
