"""A changed embedding model, tokenizer or chunk size re-indexes everything, on every database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from deployments.core.errors import KnowledgeUnavailable
from deployments.core.ids import DocId
from deployments.knowledge.cutting.chunking import CHUNKING_VERSION
from deployments.knowledge.rebuild import Rebuild
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start, until

LONG = "\n\n".join(f"{name} " * 20 for name in ("alpha", "beta", "gamma"))


async def stopped(knowledge: Knowledge) -> None:
    """Closes everything, as at the end of a process."""
    await knowledge.service.close()
    await knowledge.database.close()


async def filled(start: Start, count: int = 5) -> None:
    """Fills a database with documents, embedded by the model "fake"."""
    first = await start()
    for number in range(count):
        await first.put(f"d{number}", f"needle{number} common\n\n{LONG}", f"T{number}")
    await stopped(first)


async def rebuilt(knowledge: Knowledge) -> None:
    async def ready() -> bool:
        return await knowledge.index() == "ready"

    await until(ready)


async def indexes(knowledge: Knowledge) -> list[tuple[str, str]]:
    async with knowledge.database.snapshot() as connection:
        rows = await connection.execute(text("SELECT embedding_fingerprint, status FROM indexes ORDER BY id"))
        return [tuple(row) for row in rows]


async def chunk_counts(knowledge: Knowledge) -> tuple[int, int, int]:
    """Counts chunks, chunks without a vector, and rows of the text index."""
    statement = (
        "SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM chunks WHERE embedding IS NULL), "
        "(SELECT count(*) FROM chunk_search)"
    )
    async with knowledge.database.snapshot() as connection:
        return tuple((await connection.execute(text(statement))).one())


def closed_gate() -> asyncio.Event:
    return asyncio.Event()


async def test_the_same_models_do_not_re_index(start: Start) -> None:
    await filled(start)
    again = await start()
    assert await again.index() == "ready"
    assert again.embedder.embedded == []
    assert await again.found("needle3", top_k=1) == ["d3"]


async def test_a_new_embedding_model_takes_over_when_its_index_is_complete(start: Start) -> None:
    await filled(start)
    changed = await start("another")
    await changed.put("d0", "changed", "T")
    await rebuilt(changed)
    assert await indexes(changed) == [("another", "active")]
    passages = await changed.search("needle3")
    assert passages[0].doc_id == "d3"
    assert passages[0].similarity is not None
    chunks, without_vector, findable = await chunk_counts(changed)
    assert (without_vector, findable) == (0, chunks)
    # Eight changes: five puts by `filled`, two here, and the switch, before or after the first put here.
    assert (await changed.put("new", "text")).generation == 8


async def test_wordings_are_embedded_again_too(start: Start) -> None:
    first = await start()
    await first.put("lock", "---\nasked_as:\n- let me in\n---\nsign-in", "T")
    await stopped(first)
    changed = await start("another")
    await rebuilt(changed)
    assert (await changed.search("let me in"))[0].similarity == pytest.approx(0.75 + 0.25 / 3)


async def test_full_text_alone_serves_during_a_rebuild(start: Start) -> None:
    await filled(start)
    changed = await start("another", gate=closed_gate(), similarity_threshold=0.99)
    assert await changed.index() == "rebuilding: 0 of 5 documents"
    passages = await changed.search("needle3")
    assert passages[0].doc_id == "d3"
    assert {passage.similarity for passage in passages} == {None}


async def test_writes_during_a_rebuild_are_seen_at_once_and_survive_it(start: Start) -> None:
    await filled(start)
    gate = closed_gate()
    changed = await start("another", gate=gate)
    puts = asyncio.gather(changed.put("d1", "edited text", "T"), changed.put("new", "added text", "T"))
    await changed.service.delete(SCOPE, DocId("d2"))
    assert await changed.found("needle2 common", top_k=50) != []
    assert "d2" not in await changed.found("needle2 common", top_k=50)
    gate.set()
    await puts
    for _ in range(2):
        assert await changed.found("edited", top_k=1) == ["d1"]
        assert await changed.found("added", top_k=1) == ["new"]
        assert not any("needle1" in passage.body for passage in await changed.search("needle1", top_k=50))
        await rebuilt(changed)
    assert await changed.count() == 5


async def test_a_killed_rebuild_continues_at_the_next_start(start: Start) -> None:
    await filled(start)
    killed = await start("another")
    await until(lambda: asyncio.sleep(0, bool(killed.embedder.embedded)))
    killed.embedder.gate.clear()
    await stopped(killed)
    resumed = await start_when_free(start)
    await rebuilt(resumed)
    assert await indexes(resumed) == [("another", "active")]
    # The document that was being embedded at the kill is embedded again; stored ones are not.
    assert len(killed.embedder.embedded) + len(resumed.embedder.embedded) <= 5 * 3 + 3
    assert await resumed.found("needle4", top_k=1) == ["d4"]


async def start_when_free(start: Start) -> Knowledge:
    """Retries: the thread of a cancelled statement holds SQLite's lock until it ends, a moment later."""
    for _ in range(20):
        with contextlib.suppress(KnowledgeUnavailable):
            return await start("another")
        await asyncio.sleep(0.5)
    return await start("another")


async def test_going_back_before_it_is_complete_drops_the_new_index(start: Start) -> None:
    await filled(start)
    await stopped(await start("another", gate=closed_gate()))
    back = await start()
    assert await indexes(back) == [("fake", "active")]
    assert await back.index() == "ready"
    assert (await chunk_counts(back))[1] == 0


async def test_documents_changed_under_another_model_get_vectors_of_the_own_model(start: Start) -> None:
    await filled(start)
    other = await start("another")
    await other.put("d1", "edited text", "T")
    await stopped(other)
    back = await start()
    await rebuilt(back)
    assert (await chunk_counts(back))[1] == 0
    assert (await back.search("edited"))[0].similarity is not None


@pytest.fixture
def unfinished(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """No index is filled until the returned function is called."""

    async def wait(_rebuild: Rebuild) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Rebuild, "run", wait)
    return monkeypatch.undo


async def test_a_chunk_changed_under_another_model_gets_a_vector_of_the_own_model(
    start: Start, unfinished: Callable[[], None]
) -> None:
    """The document's other chunks keep their vectors."""
    await filled(start)
    other = await start("another")
    edited = await other.put("d1", f"needle1 common\n\n{LONG.replace('gamma', 'delta')}", "T1")
    assert (edited.chunks, edited.kept) == (3, 2)
    await stopped(other)
    unfinished()
    back = await start()
    await rebuilt(back)
    assert (await chunk_counts(back))[1] == 0
    assert (await back.search("delta"))[0].body.split()[0] == "delta"
    assert len(back.embedder.embedded) == 3


def asked_as(*wordings: str) -> str:
    return "\n".join(["---", "asked_as:", *(f"- {wording}" for wording in wordings), "---", "sign-in"])


@pytest.mark.parametrize("now", [("open up",), ("let me in", "open up"), ("go on",), ("let me in",), ()])
async def test_wordings_changed_under_another_model_get_vectors_of_the_own_model(
    start: Start, unfinished: Callable[[], None], now: tuple[str, ...]
) -> None:
    """No former wordings are left."""
    first = await start()
    await first.put("lock", asked_as("let me in", "go on"), "T")
    await stopped(first)
    other = await start("another")
    await other.put("lock", asked_as(*now), "T")
    await stopped(other)
    unfinished()
    back = await start()
    await rebuilt(back)
    like: set[str] = set()
    for wording in ("let me in", "go on", "open up"):
        similarity = (await back.search(wording))[0].similarity
        assert similarity is not None
        like |= {wording} if similarity > 0.7 else set()
    assert like == {*now}


@pytest.mark.parametrize("change", [{"tokenizer": "others"}, {"chunk_tokens": 64}])
async def test_a_new_tokenizer_or_chunk_size_keeps_serving_by_vectors(
    start: Start, change: dict[str, Any]
) -> None:
    await filled(start)
    gate = closed_gate()
    changed = await start(gate=gate, **change)
    assert (await changed.search("needle3"))[0].similarity is not None
    gate.set()
    await rebuilt(changed)
    chunks, without_vector, findable = await chunk_counts(changed)
    assert (without_vector, findable) == (0, chunks)
    assert (chunks == 15) == ("tokenizer" in change)
    assert await changed.found("needle3", top_k=1) == ["d3"]


async def test_a_release_that_cuts_otherwise_cuts_stored_documents_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stopped(await start())
    monkeypatch.setattr("deployments.knowledge.indexing.CHUNKING_VERSION", CHUNKING_VERSION + 1)
    later = await start()
    await rebuilt(later)
    async with later.database.snapshot() as connection:
        version = await connection.scalar(text("SELECT chunking_version FROM indexes"))
    assert version == CHUNKING_VERSION + 1


async def test_a_rebuild_that_fails_leaves_the_old_index_serving(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(start)
    gate = closed_gate()
    changed = await start("another", gate=gate)
    changed.embedder.fault = ValueError("broken model")
    gate.set()

    async def failed() -> bool:
        return "failed" in await changed.index()

    await until(failed)
    assert "broken model" in await changed.index()
    assert await changed.found("needle3", top_k=1) == ["d3"]
    assert "index rebuild failed" in caplog.text


async def test_one_of_several_processes_rebuilds(start: Start) -> None:
    """The others wait, and raise no generation again, which would invalidate what is cached."""
    await filled(start, count=12)
    first = await start("another")
    if first.database.dialect == "sqlite":
        return  # only one process can use it
    second = await start("another")
    await rebuilt(first)
    await rebuilt(second)
    texts = [*first.embedder.embedded, *second.embedder.embedded]
    assert len(texts) == len(set(texts)) > 0
    async with first.database.snapshot() as connection:
        generation = await connection.scalar(text("SELECT generation FROM collections"))
    assert generation == 12 + 1
