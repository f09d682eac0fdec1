"""Starts knowledge bases on SQLite, then on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy import text as sql

from deployments.core.documents import DocumentDraft, Ingested, Passage, SearchQuery
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from deployments.database.connection import Database
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from tests.fakes import FakeEmbedder
from tests.in_process_documents import InProcessDocuments, count_words

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))


@dataclass
class FakeWriter:
    """A `SegmentWriter` that records its calls, and fails while `down` is set."""

    written: list[str] = field(default_factory=list)
    invalidated: list[str] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    replaced: list[dict[str, str]] = field(default_factory=list)
    down: bool = False

    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        self._check()
        self.written.extend(texts)
        return sum(map(count_words, texts))

    async def replace(self, scope: Scope, successors: Mapping[str, str]) -> None:
        self.replaced.append(dict(successors))

    async def invalidate(self, scope: Scope, texts: Sequence[str], generation: int) -> int:
        self._check()
        self.invalidated.extend(texts)
        return len(texts)

    async def discard(self, scope: Scope, texts: Sequence[str]) -> int:
        self._check()
        self.discarded.extend(texts)
        return len(texts)

    def _check(self) -> None:
        if self.down:
            raise RuntimeError("the token cache is down")


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collects the SQL statements that a database executes in this context."""
    made: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        made.append(statement)

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield made
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns when a condition holds; fails after a minute."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- the condition has no event
            await asyncio.sleep(0.001)


@dataclass
class Knowledge:
    """A service with its parts, and shortcuts for tests."""

    service: KnowledgeService
    database: Database
    embedder: FakeEmbedder
    writer: FakeWriter

    async def put(
        self,
        doc_id: str,
        text: str,
        title: str = "",
        section: str | None = None,
        scope: Scope = SCOPE,
    ) -> Ingested:
        draft = DocumentDraft(DocId(doc_id), title, section, "text/markdown", text.encode())
        return await self.service.put(scope, draft)

    async def search(
        self, text: str, top_k: int = 5, section: str | None = None, scope: Scope = SCOPE
    ) -> tuple[Passage, ...]:
        return (await self.service.search(SearchQuery(scope, text, top_k, section))).passages

    async def count(self) -> int:
        """Counts the documents of all tenants."""
        async with self.database.snapshot() as connection:
            return int(await connection.scalar(sql("SELECT count(*) FROM documents")) or 0)

    async def index(self) -> str:
        """Returns the status of the index."""
        return (await self.service.status())["index"]

    async def found(self, text: str, **how: Any) -> list[str]:
        """Returns the ids of the documents found, best first."""
        return list(dict.fromkeys(passage.doc_id for passage in await self.search(text, **how)))


Start = Callable[..., Awaitable[Knowledge]]


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    """Starts knowledge bases on one database; on SQLite, only one database object can be open at a time.

    With `database`, a second knowledge base uses the database object of the first, also on SQLite.
    """
    async with AsyncExitStack() as stack:

        async def start_one(embedder: str = "fake", tokenizer: str = "words", **parts: Any) -> Knowledge:
            database = parts.pop("database", None) or await Database.open(database_url, lock_wait_s=0)
            stack.push_async_callback(database.close)
            fake, writer = FakeEmbedder(embedder), FakeWriter()
            documents = parts.pop("documents", None) or InProcessDocuments(parts.pop("chunk_tokens", 32))
            if (gate := parts.pop("gate", None)) is not None:
                fake.gate = gate
            made = KnowledgeParts(
                database=database,
                embedder=fake,
                documents=documents,
                tokenizer=Fingerprint(tokenizer),
                writer=parts.pop("writer", writer),
                similarity_threshold=parts.pop("similarity_threshold", 0.0),
                **parts,
            )
            try:
                service = await KnowledgeService.start(made)
            except BaseException:
                await database.close()  # or the next attempt finds the file locked
                raise
            stack.push_async_callback(service.close)
            return Knowledge(service, database, fake, writer)

        yield start_one


@pytest.fixture
async def knowledge(start: Start) -> Knowledge:
    """An empty knowledge base."""
    return await start()
