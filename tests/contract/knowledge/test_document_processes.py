"""A document that takes too much is refused by its limit; no other tenant waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deployments.core.documents import DocumentDraft
from deployments.core.errors import InternalFault, NotFound, UnprocessableDocument
from deployments.core.ids import DocId, Scope, TenantId
from deployments.knowledge.cutting.chunking import Chunker
from deployments.knowledge.document_limits import DocumentLimits
from deployments.knowledge.document_processes import DocumentProcesses
from tests.contract.knowledge.conftest import SCOPE, Start, until
from tests.hostile_counters import busy, refuses_to_start

OTHER = Scope(TenantId("other"), SCOPE.collection)
SMALL = b"a document with thirty-four bytes."


def draft(text: bytes, doc_id: str = "d", media_type: str = "text/plain") -> DocumentDraft:
    return DocumentDraft(DocId(doc_id), "T", None, media_type, text)


Make = Callable[..., DocumentProcesses]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[DocumentProcesses] = []

    def make_one(
        processes: int = 2, count: Callable[[str], int] = busy, **limits: float
    ) -> DocumentProcesses:
        bounds = {"cpu_s": 60, "wall_s": 60.0, "memory_bytes": 256 << 20} | limits
        made.append(DocumentProcesses(Chunker(count, 32), DocumentLimits(**bounds), processes))  # type: ignore[arg-type]
        return made[-1]

    yield make_one
    for documents in made:
        await documents.close()


@pytest.mark.parametrize(
    ("text", "limits", "reason"),
    [
        (b"spin", {"cpu_s": 1}, "more than 1 s of CPU time"),
        (b"sleep", {"wall_s": 0.5}, "more than 0.5 s to read"),
        (b"fill", {}, "more than 256 MiB of memory"),
        (b"abort", {}, "more than 256 MiB of memory"),
        (b"die", {}, "ended with status -9"),
        (b"word " * 101, {"chars": 500}, "more than 500 characters"),
        (b"word " * 101, {"chunks": 2}, "more than 2 chunks"),
    ],
)
async def test_a_document_that_exceeds_a_limit_is_refused_and_the_next_one_is_read(
    make: Make, text: bytes, limits: dict[str, float], reason: str
) -> None:
    documents = make(1, **limits)
    with pytest.raises(UnprocessableDocument, match=f"document bad: .*{reason}") as refused:
        await documents.read(SCOPE.tenant, draft(text, "bad"))
    assert "split it" in refused.value.message or text == b"die"
    assert len((await documents.read(SCOPE.tenant, draft(SMALL))).chunks) == 1


async def test_nothing_of_a_refused_document_is_stored(start: Start, make: Make) -> None:
    knowledge = await start(documents=make(1, wall_s=0.5))
    with pytest.raises(UnprocessableDocument):
        await knowledge.put("bad", "sleep")
    with pytest.raises(NotFound):
        await knowledge.service.get(SCOPE, DocId("bad"))
    assert (await knowledge.put("good", "text")).chunks == 1


async def test_a_stored_document_that_exceeds_a_limit_does_not_stop_a_rebuild(
    start: Start, make: Make
) -> None:
    first = await start()
    await first.put("bad", "needle sleep")
    await first.service.close()
    await first.database.close()
    again = await start(tokenizer="others", documents=make(1, wall_s=0.5))

    async def ready() -> bool:
        return await again.index() == "ready"

    await until(ready)
    assert await again.found("needle") == ["bad"]


async def test_another_tenant_does_not_wait(make: Make) -> None:
    documents = make(2)
    await asyncio.gather(*(documents.read(scope.tenant, draft(SMALL)) for scope in (SCOPE, OTHER)))
    hostile = [asyncio.create_task(documents.read(SCOPE.tenant, draft(b"spin"))) for _ in range(5)]
    await asyncio.sleep(0.1)
    started_s = time.monotonic()
    assert len((await documents.read(OTHER.tenant, draft(SMALL))).chunks) == 1
    assert time.monotonic() - started_s < 2
    for task in hostile:
        task.cancel()
    await asyncio.wait(hostile)


async def test_cancelling_a_call_ends_its_process(make: Make) -> None:
    documents = make(1)
    await documents.read(SCOPE.tenant, draft(SMALL))
    (pid,) = documents.pids
    reading = asyncio.create_task(documents.read(SCOPE.tenant, draft(b"spin")))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until(lambda: asyncio.sleep(0.01, not Path(f"/proc/{pid}").exists()))
    assert len((await documents.read(SCOPE.tenant, draft(SMALL))).chunks) == 1


async def test_a_process_is_used_again_and_one_that_was_killed_is_replaced(make: Make) -> None:
    documents = make(1)
    await documents.read(SCOPE.tenant, draft(SMALL))
    (pid,) = documents.pids
    await documents.read(OTHER.tenant, draft(SMALL))
    assert documents.pids == [pid]
    os.kill(pid, signal.SIGKILL)
    await until(lambda: asyncio.sleep(0.01, "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]))
    await documents.read(OTHER.tenant, draft(SMALL))
    assert documents.pids != [pid]


async def test_processes_start_with_the_first_document_and_end_with_the_reader(make: Make) -> None:
    documents = make(1)
    assert documents.pids == []
    await documents.read(SCOPE.tenant, draft(SMALL))
    (pid,) = documents.pids
    await documents.close()
    await until(lambda: asyncio.sleep(0.01, not Path(f"/proc/{pid}").exists()))


async def test_a_process_has_no_secrets_no_sockets_and_few_modules(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARMLINE_API_KEYS", "secret")
    documents = make(1)
    await documents.read(SCOPE.tenant, draft(SMALL))
    (process,) = (Path(f"/proc/{pid}") for pid in documents.pids)
    assert "secret" not in (process / "environ").read_text()
    files = [os.readlink(file) for file in (process / "fd").iterdir()]
    assert len({file for file in files if file.startswith("socket:")}) == 1
    libraries = (process / "maps").read_text()
    assert "torch" not in libraries
    assert "_raylet" not in libraries
    assert "numpy" not in libraries


async def test_a_fault_of_the_application_is_reported_as_one(make: Make) -> None:
    with pytest.raises(InternalFault):
        await make(1).read(SCOPE.tenant, draft(b"fault"))


async def test_processes_that_do_not_start_are_reported(make: Make) -> None:
    with pytest.raises(InternalFault, match="the log says why"):
        await make(1, refuses_to_start).read(SCOPE.tenant, draft(SMALL))


_PARENT = """
import asyncio, os, sys
from deployments.core.ids import TenantId
from deployments.knowledge.cutting.chunking import Chunker, TokenCounter
from deployments.knowledge.document_processes import DocumentProcesses
from tests.contract.knowledge.test_document_processes import SMALL, draft
from tests.hostile_counters import busy

async def main():
    documents = DocumentProcesses(Chunker(busy, 32))
    await documents.read(TenantId("a"), draft(SMALL))
    print(documents.pids[0], flush=True)
    await documents.read(TenantId("a"), draft(b"spin"))

asyncio.run(main())
"""


async def test_a_process_dies_with_its_parent() -> None:
    root = Path(__file__).parents[3]
    parent = subprocess.Popen(  # noqa: ASYNC220 -- no other task runs
        [sys.executable, "-c", _PARENT], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        await asyncio.sleep(0.3)
        parent.kill()
    await until(lambda: asyncio.sleep(0.01, not Path(f"/proc/{pid}").exists()))
