"""The application as an attacker reaches it: the HTTP API over a real knowledge base. Only the engine, the
embedder and the tokenizer are fake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from deployments.access.limit_store import limits_of
from deployments.agents.specs import SUPPORT
from deployments.core.ids import Fingerprint
from deployments.database.connection import Database
from deployments.knowledge.cutting.chunking import Chunker
from deployments.knowledge.document_limits import DocumentLimits
from deployments.knowledge.document_processes import DocumentProcesses
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from serve_app.http.application import build_api
from tests.contract.knowledge.conftest import FakeWriter
from tests.fakes import FakeEmbedder
from tests.in_process_documents import count_words
from tests.unit.rag.rig import Rig
from tests.unit.serve_app.fake_services import Api

KEYS = {"acme": "key-of-acme-0123456789", "quiet": "key-of-quiet-0123456789"}
JSON = {"content-type": "application/json"}
DOCUMENT = "# Passwords\n\nOpen the link to reset your password."
LIMITS = DocumentLimits(cpu_s=5, wall_s=10.0)
"""Shorter than the application's, so that each attack is over within seconds."""


@dataclass
class Attacked:
    """The running application. Tenants: the attacker `acme`, and `quiet`, who must not notice it."""

    http: httpx.AsyncClient
    database: Database
    knowledge: KnowledgeService
    embedder: FakeEmbedder
    rig: Rig
    api: Api

    async def call(self, tenant: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with the tenant's key, or with none."""
        headers = {} if tenant is None else {"authorization": f"Bearer {KEYS[tenant]}"}
        return await self.http.request(method, path, headers=headers | more.pop("headers", {}), **more)

    async def put(self, tenant: str, doc_id: str, text: str = DOCUMENT, **more: Any) -> httpx.Response:
        """Stores a document of support."""
        path = f"/v1/collections/support_kb/documents/{doc_id}"
        return await self.call(tenant, "PUT", path, json={"content": text, **more})

    async def answer(self, tenant: str, query: str = "reset password", **more: Any) -> httpx.Response:
        """Asks support."""
        return await self.call(tenant, "POST", "/v1/support/answer", json={"query": query, **more})


@asynccontextmanager
async def attacked(folder: Path, **settings: Any) -> AsyncIterator[Attacked]:
    """Starts the application on an empty SQLite database in `folder`."""
    database = await Database.open(f"sqlite:///{folder}/warmline.db", lock_wait_s=0)
    embedder = FakeEmbedder()
    parts = KnowledgeParts(
        database=database,
        embedder=embedder,
        documents=DocumentProcesses(Chunker(count_words, 64), LIMITS, processes=2),
        tokenizer=Fingerprint("words"),
        similarity_threshold=0.0,
        writer=FakeWriter(),
        limits_of=limits_of,
    )
    knowledge = await KnowledgeService.start(parts)
    rig = Rig(spec=SUPPORT)
    rig.use(retriever=knowledge)
    keys = ",".join(f"{key}={tenant}" for tenant, key in KEYS.items())
    api = Api(rig=rig, **{"api_keys": keys, **settings})
    services = replace(api.app.state.services, library=knowledge)
    transport = httpx.ASGITransport(build_api(services), raise_app_exceptions=True)
    http = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)
    try:
        yield Attacked(http, database, knowledge, embedder, rig, api)
    finally:
        await knowledge.close()
        await database.close()


@dataclass
class Cost:
    """What a piece of work took."""

    cpu_s: float = 0.0
    """CPU time of this process."""
    wall_s: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measures the block."""
    cost = Cost()
    started, cpu = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.wall_s, cost.cpu_s = time.perf_counter() - started, time.process_time() - cpu


@dataclass
class Effect:
    """What the quiet tenant notices of an attack."""

    before_s: list[float] = field(default_factory=list)
    while_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = (p95(self.before_s), p95(self.while_s), max(self.while_s))
        before, during, worst = (1000 * number for number in numbers)
        return f"quiet tenant: p95 {before:.1f} ms before, {during:.1f} ms while, at most {worst:.1f} ms"


async def effect_on(quiet: Callable[[], Awaitable[httpx.Response]], attack: Awaitable[Any]) -> Effect:
    """Runs an attack while the quiet tenant's request is sent again and again, and before it."""
    effect = Effect()

    async def once(into: list[float]) -> None:
        started = time.perf_counter()
        response = await quiet()
        assert response.status_code == 200, response.text
        into.append(time.perf_counter() - started)

    await once([])
    for _ in range(10):
        await once(effect.before_s)
    task = asyncio.ensure_future(attack)
    while not task.done() or not effect.while_s:
        await once(effect.while_s)
        await asyncio.sleep(0.01)
    await task
    print(effect)
    return effect


def p95(numbers: list[float]) -> float:
    """The 95th percentile."""
    return sorted(numbers)[int(0.95 * (len(numbers) - 1))]
