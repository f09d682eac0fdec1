"""One knowledge base on SQLite, then one on PostgreSQL."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from deployments.core.messages import DocumentDraft, Ingested, Passage, SearchQuery
from deployments.knowledge.chunking import Chunker
from deployments.knowledge.database import Database
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from tests.fakes import FakeEmbedder
from tests.postgres import PostgresServer, find_binaries

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))


def count_words(text: str) -> int:
    """The tests' tokenizer."""
    return len(text.split())


@dataclass
class FakeWriter:
    """A `SegmentWriter` that keeps what it was told, and fails while `down` is set."""

    written: list[str] = field(default_factory=list)
    invalidated: list[str] = field(default_factory=list)
    down: bool = False

    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        self._check()
        self.written.extend(texts)
        return sum(map(count_words, texts))

    async def invalidate(self, scope: Scope, texts: Sequence[str]) -> int:
        self._check()
        self.invalidated.extend(texts)
        return len(texts)

    def _check(self) -> None:
        if self.down:
            raise RuntimeError("the token cache is down")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns when a condition holds; fails after a minute."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.001)


@dataclass
class Knowledge:
    """A service with what it was made of, and short forms of what tests do with it."""

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

    async def index(self) -> str:
        """What the status says of the index."""
        return (await self.service.status())["index"]

    async def found(self, text: str, **how: Any) -> list[str]:
        """Ids of the documents found, best first."""
        return list(dict.fromkeys(passage.doc_id for passage in await self.search(text, **how)))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    # Not pytest's folder: sockets have short paths, and the server's own user must get there.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(binaries, Path(folder))
        yield server
        server.stop()


_POSTGRES = pytest.param("postgresql", marks=[] if find_binaries() else [pytest.mark.system])


@pytest.fixture(params=["sqlite", _POSTGRES])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/knowledge.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty()


Start = Callable[..., Awaitable[Knowledge]]


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    """Starts knowledge bases on one database; on SQLite, only one at a time can be open."""
    async with AsyncExitStack() as stack:

        async def start_one(embedder: str = "fake", tokenizer: str = "words", **parts: Any) -> Knowledge:
            database = await Database.open(database_url, lock_wait_s=0)
            stack.push_async_callback(database.close)
            fake, writer = FakeEmbedder(embedder), FakeWriter()
            chunker = Chunker(count_words, parts.pop("chunk_tokens", 32))
            if (gate := parts.pop("gate", None)) is not None:
                fake.gate = gate
            made = KnowledgeParts(
                database=database,
                embedder=fake,
                chunker=chunker,
                tokenizer=Fingerprint(tokenizer),
                writer=writer,
                similarity_threshold=parts.pop("similarity_threshold", 0.0),
                **parts,
            )
            service = await KnowledgeService.start(made)
            stack.push_async_callback(service.close)
            return Knowledge(service, database, fake, writer)

        yield start_one


@pytest.fixture
async def knowledge(start: Start) -> Knowledge:
    """An empty knowledge base."""
    return await start()
