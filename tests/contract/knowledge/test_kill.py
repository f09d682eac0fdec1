"""A process killed during a put has stored nothing of it, on every database."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.core.ids import DocId
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start

_CHILD = """
import asyncio, os, signal, sys
from deployments.core.ids import DocId, Fingerprint
from deployments.core.documents import DocumentDraft
from deployments.knowledge import store
from deployments.database.connection import Database
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from tests.contract.knowledge.conftest import SCOPE
from tests.fakes import FakeEmbedder
from tests.in_process_documents import InProcessDocuments

def kill(*args):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(url, moment):
    database = await Database.open(url, lock_wait_s=0)
    embedder = FakeEmbedder()
    parts = KnowledgeParts(database, embedder, InProcessDocuments(32), Fingerprint("words"))
    service = await KnowledgeService.start(parts)
    if moment == "before the transaction":
        embedder.embed_documents = kill
    else:
        store.increment_generation = kill
    text = b"changed " * 40
    await service.put(SCOPE, DocumentDraft(DocId("a"), "T", None, "text/plain", text))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("moment", ["before the transaction", "before its end"])
async def test_a_kill_stores_nothing(start: Start, database_url: str, moment: str) -> None:
    before = await start()
    await before.put("a", "as it was", "T")
    await before.service.close()
    await before.database.close()
    child = subprocess.run(  # noqa: ASYNC221 -- no other task runs
        [sys.executable, "-c", _CHILD, database_url, moment],
        cwd=Path(__file__).parents[3],
        check=False,
        capture_output=True,
        text=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    after: Knowledge = await start()
    document = await after.service.get(SCOPE, DocId("a"))
    assert (document.content, document.version, document.chunks) == ("as it was", 1, 1)
    assert await after.found("changed was", top_k=50) == ["a"]
    assert (await after.put("a", "as it was", "T")).generation == 1
