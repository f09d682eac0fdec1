"""After a change, only changed vectors are read, once for all searches; the result is as if all were read."""

from __future__ import annotations

import asyncio
import random
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from deployments.core.ids import DocId
from deployments.knowledge import vector_cache
from deployments.knowledge.collection_states import read_state
from deployments.knowledge.vector_cache import VectorCache
from deployments.knowledge.vectors import CollectionVectors
from tests.contract.knowledge.conftest import SCOPE, Knowledge


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors each reading read."""
    counts: list[int] = []
    embeddings = vector_cache._embeddings

    async def counted(*arguments: Any) -> list[bytes]:
        await asyncio.sleep(0)
        found = await embeddings(*arguments)
        counts.append(len(found))
        return found

    monkeypatch.setattr(vector_cache, "_embeddings", counted)
    return counts


async def loaded(knowledge: Knowledge, cache: VectorCache) -> CollectionVectors:
    async with knowledge.database.snapshot() as connection:
        return await cache.load(connection, SCOPE, await read_state(connection, SCOPE))


def assert_equal(one: CollectionVectors, other: CollectionVectors) -> None:
    for name in ("chunk_ids", "documents", "owners", "sections", "matrix", "document_matrix"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("matrix", "starts", "chunks.rows", "chunks.owners", "documents.rows", "documents.owners"):
        of = attrgetter(f"wordings.{name}")
        np.testing.assert_array_equal(of(one), of(other), err_msg=name)


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
            await knowledge.put(doc_id, "\n\n".join(paragraphs), section=dice.choice([None, "guide"]))
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
    assert read == [5, 1]


async def test_a_vector_is_used_again_only_for_the_same_text(knowledge: Knowledge, read: list[int]) -> None:
    """In a database restored from a backup, an id can be that of another chunk."""
    await knowledge.put("d", "text")
    cache = VectorCache()
    await loaded(knowledge, cache)
    async with knowledge.database.transaction() as connection:
        await connection.execute(text("UPDATE chunks SET segment_hash = :other"), {"other": "f" * 64})
        await connection.execute(text("UPDATE collections SET stamp = 'another'"))
    await loaded(knowledge, cache)
    assert read == [1, 1]


async def test_searches_that_wait_for_the_same_state_read_it_once(
    knowledge: Knowledge, read: list[int]
) -> None:
    """On PostgreSQL, where they run at the same time."""
    await knowledge.put("d", "text")
    cache = VectorCache()
    found = await asyncio.gather(*(loaded(knowledge, cache) for _ in range(12)))
    assert len(read) == 1
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
