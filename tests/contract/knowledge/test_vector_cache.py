"""After a change, only changed vectors are read, once for all searches; the result is as if all were read."""

from __future__ import annotations

import asyncio
import random
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId
from deployments.knowledge import collection_reading, generations, vector_cache
from deployments.knowledge.collection_states import read_state
from deployments.knowledge.vector_cache import VectorCache
from deployments.knowledge.vectors import CollectionVectors
from tests.contract.knowledge.conftest import SCOPE, Knowledge


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors each reading read."""
    counts: list[int] = []
    reading = collection_reading._read

    async def counted(connection: Any, queries: Any) -> Any:
        await asyncio.sleep(0)
        found = await reading(connection, queries)
        counts.append(len(found.ids))
        return found

    monkeypatch.setattr(collection_reading, "_read", counted)
    return counts


async def loaded(knowledge: Knowledge, cache: VectorCache) -> CollectionVectors:
    async with knowledge.database.snapshot() as connection:
        return await cache.load(connection, SCOPE, await read_state(connection, SCOPE))


def assert_equal(one: CollectionVectors, other: CollectionVectors) -> None:
    names = ("chunk_ids", "documents", "owners", "sections", "wordings.starts", "wordings.of_documents")
    of_worded = (f"wordings.{of}.{what}" for of in ("chunks", "documents") for what in ("rows", "owners"))
    for name in (*names, *of_worded):
        np.testing.assert_array_equal(attrgetter(name)(one), attrgetter(name)(other), err_msg=name)
    for name in ("chunk_vectors", "document_vectors", "wordings.vectors"):
        found, expected = (attrgetter(name)(of).matrix() for of in (one, other))
        assert found.tolist() == expected.tolist(), name


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_changes_the_vectors_are_those_in_the_database(
    knowledge: Knowledge, seed: int
) -> None:
    """Documents come, change and go, all of them at times."""
    dice, cache = random.Random(seed), VectorCache()
    for _ in range(25):
        doc_id = f"d{dice.randrange(6)}"
        if dice.random() < 0.3 and doc_id in {
            d.doc_id for d in await knowledge.service.list(SCOPE, 10, None)
        }:
            await knowledge.service.delete(SCOPE, DocId(doc_id))
        else:
            paragraphs = [f"word{dice.randrange(9)} " * 40 for _ in range(dice.randrange(1, 4))]
            draft = DocumentDraft(
                DocId(doc_id),
                "",
                dice.choice([None, "guide"]),
                "text/markdown",
                "\n\n".join(paragraphs).encode(),
                tuple(f"wording {dice.randrange(4)}" for _ in range(dice.randrange(3))),
            )
            await knowledge.service.put(SCOPE, draft)
        if dice.random() < 0.7:
            assert_equal(await loaded(knowledge, cache), await loaded(knowledge, VectorCache()))


async def test_a_change_of_one_document_reads_its_vectors_only(knowledge: Knowledge, read: list[int]) -> None:
    for number in range(5):
        await knowledge.put(f"d{number}", f"text number{number}")
    cache = VectorCache()
    await loaded(knowledge, cache)
    await knowledge.put("d3", "another text")
    await knowledge.service.delete(SCOPE, DocId("d1"))
    await loaded(knowledge, cache)
    assert read == [5, 0, 1, 0]  # chunks, and wordings


async def test_a_former_state_of_another_history_is_not_used(knowledge: Knowledge, read: list[int]) -> None:
    """In a database restored from a backup, generations and ids can be those of other contents."""
    await knowledge.put("d", "text")
    await knowledge.put("e", "text")
    cache = VectorCache()
    await loaded(knowledge, cache)
    for history in ("UPDATE collections SET stamp = 'x'", "UPDATE collection_changes SET stamp = 'x'"):
        async with knowledge.database.transaction() as connection:
            await connection.execute(text(history))
        read.clear()
        await loaded(knowledge, cache)
        assert read == ([2, 0] if "collections" in history else [])
        await knowledge.put("d", f"text after {history}")
        read.clear()
        await loaded(knowledge, cache)
        assert read == [2, 0]


async def test_who_has_missed_too_many_changes_reads_all(
    knowledge: Knowledge, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number is bounded."""
    monkeypatch.setattr(generations, "_KEPT_GENERATIONS", 3)
    await knowledge.put("other", "text")
    cache = VectorCache()
    for changes, vectors in ((2, 1), (3, 2)):
        await loaded(knowledge, cache)
        read.clear()
        for number in range(changes):
            await knowledge.put("d", f"text {changes} {number}")
        await loaded(knowledge, cache)
        assert read == [vectors, 0]
    async with knowledge.database.snapshot() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM collection_changes")) == 3


async def test_searches_that_wait_for_the_same_state_read_it_once(
    knowledge: Knowledge, read: list[int]
) -> None:
    """On PostgreSQL, where they run at the same time."""
    await knowledge.put("d", "text")
    cache = VectorCache()
    found = await asyncio.gather(*(loaded(knowledge, cache) for _ in range(12)))
    assert read == [1, 0]
    assert all(one is found[0] for one in found)


async def test_a_reader_that_is_cancelled_strands_nobody(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one reads."""
    await knowledge.put("d", "text")
    cache, begun, gate = VectorCache(), asyncio.Event(), asyncio.Event()
    original = vector_cache._read

    async def gated(*arguments: Any) -> Any:
        begun.set()
        await gate.wait()
        return await original(*arguments)

    monkeypatch.setattr(vector_cache, "_read", gated)
    first = asyncio.create_task(loaded(knowledge, cache))
    await begun.wait()
    second = asyncio.create_task(loaded(knowledge, cache))
    await asyncio.sleep(0.01)
    first.cancel()
    gate.set()
    assert len((await second).chunk_ids) == 1
    with pytest.raises(asyncio.CancelledError):
        await first
