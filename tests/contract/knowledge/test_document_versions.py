"""Versions of documents, and the cached segments that a new version invalidates, on every database."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from deployments.core.errors import InvalidRequest, NotFound, UnprocessableDocument
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start, until

DOC = DocId("doc")
OTHER = Scope(TenantId("other"), CollectionName("kb"))


async def revised(knowledge: Knowledge, content: str, invalidate: bool = True, scope: Scope = SCOPE) -> int:
    return (await knowledge.service.revise(scope, DOC, content, invalidate)).version


async def listed(knowledge: Knowledge, limit: int = 10, before: int | None = None) -> list[int]:
    return [v.version for v in await knowledge.service.versions(SCOPE, DOC, limit, before)]


async def test_every_version_can_be_read(knowledge: Knowledge) -> None:
    """With its own title, section and time; the current version included."""
    await knowledge.put("doc", "first text", "Old title", "guide")
    await knowledge.put("doc", "second text 漢字", "New title", "api")
    assert await revised(knowledge, "third text") == 3
    versions = [await knowledge.service.version(SCOPE, DOC, number) for number in (1, 2, 3)]
    assert [(v.version, v.title, v.section, v.content) for v in versions] == [
        (1, "Old title", "guide", "first text"),
        (2, "New title", "api", "second text 漢字"),
        (3, "New title", "api", "third text"),
    ]
    assert 1_700_000_000 < versions[0].stored_at_s <= versions[1].stored_at_s <= versions[2].stored_at_s
    present = await knowledge.service.get(SCOPE, DOC)
    assert (present.content, present.updated_at_s) == ("third text", versions[2].stored_at_s)


async def test_versions_are_listed_newest_first_in_pages(knowledge: Knowledge) -> None:
    """Without their contents."""
    for number in range(5):
        await knowledge.put("doc", f"text {number}", "T")
    assert await listed(knowledge) == [5, 4, 3, 2, 1]
    assert await listed(knowledge, 2) == [5, 4]
    assert await listed(knowledge, 2, before=4) == [3, 2]
    assert await listed(knowledge, 2, before=2) == [1]
    assert await listed(knowledge, 2, before=1) == []
    assert {v.content for v in await knowledge.service.versions(SCOPE, DOC, 9, None)} == {None}


async def test_an_equal_revision_makes_no_version(knowledge: Knowledge) -> None:
    """The document keeps its version."""
    await knowledge.put("doc", "text", "T", "guide")
    assert await revised(knowledge, "text") == 1
    assert await listed(knowledge) == [1]


async def test_unknown_versions_and_documents_are_not_found(knowledge: Knowledge) -> None:
    """Another tenant's document of the same id is not found either."""
    await knowledge.put("doc", "text", "T")
    for version in (0, 2):
        with pytest.raises(NotFound):
            await knowledge.service.version(SCOPE, DOC, version)
    for scope, doc_id in ((SCOPE, DocId("no")), (OTHER, DOC)):
        with pytest.raises(NotFound):
            await knowledge.service.version(scope, doc_id, 1)
        with pytest.raises(NotFound):
            await knowledge.service.versions(scope, doc_id, 5, None)
        with pytest.raises(NotFound):
            await knowledge.service.revise(scope, doc_id, "text", True)
    assert await listed(knowledge) == [1]


async def test_two_tenants_documents_of_one_id_have_their_own_versions(knowledge: Knowledge) -> None:
    """A revision of one does not change the other."""
    await knowledge.put("doc", "ours", "T")
    await knowledge.put("doc", "theirs", "T", scope=OTHER)
    await revised(knowledge, "theirs, revised", scope=OTHER)
    assert await listed(knowledge) == [1]
    assert (await knowledge.service.version(OTHER, DOC, 1)).content == "theirs"


async def test_a_deleted_documents_versions_are_gone(knowledge: Knowledge) -> None:
    """A deletion removes all texts; a new document of the same id starts at version 1."""
    await knowledge.put("doc", "secret", "T")
    await revised(knowledge, "public")
    await knowledge.service.delete(SCOPE, DOC)
    async with knowledge.database.snapshot() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM document_versions")) == 0
    await knowledge.put("doc", "new", "T")
    assert await listed(knowledge) == [1]


async def test_concurrent_revisions_are_all_kept(knowledge: Knowledge) -> None:
    """Each makes one version, in any order."""
    await knowledge.put("doc", "text", "T")
    made = await asyncio.gather(*(revised(knowledge, f"text {n}") for n in range(5)))
    assert sorted(made) == [2, 3, 4, 5, 6]
    texts = {(await knowledge.service.version(SCOPE, DOC, n)).content for n in range(1, 7)}
    assert texts == {"text", *(f"text {n}" for n in range(5))}


async def held_up(knowledge: Knowledge, content: str) -> asyncio.Task[int]:
    """Starts a revision that has read the document and waits for the embedder's gate."""
    knowledge.embedder.gate.clear()
    revising = asyncio.create_task(revised(knowledge, content))
    await until(lambda: asyncio.sleep(0, bool(knowledge.embedder.waiting)))
    return revising


async def test_a_revision_keeps_labels_that_another_replica_put_meanwhile(
    knowledge: Knowledge, start: Start
) -> None:
    """The labels differ from those that the revision had read."""
    other = await start(database=knowledge.database)
    await knowledge.put("doc", "text", "Old")
    revising = await held_up(knowledge, "revised text")
    await other.put("doc", "---\nasked_as:\n- let me in\n---\nother text", "New", "guide")
    knowledge.embedder.gate.set()
    assert await revising == 3
    present = await other.service.get(SCOPE, DOC)
    assert (present.title, present.section, present.asked_as) == ("New", "guide", ("let me in",))
    assert present.content == "revised text"


async def test_a_revision_does_not_restore_a_document_that_another_replica_deleted_meanwhile(
    knowledge: Knowledge, start: Start
) -> None:
    other = await start(database=knowledge.database)
    await knowledge.put("doc", "text", "T")
    revising = await held_up(knowledge, "revised text")
    await other.service.delete(SCOPE, DOC)
    knowledge.embedder.gate.set()
    with pytest.raises(NotFound):
        await revising
    assert await other.count() == 0


async def test_a_revision_that_cannot_be_read_leaves_no_version(knowledge: Knowledge) -> None:
    """Nothing is stored."""
    await knowledge.put("doc", "text", "T")
    with pytest.raises(UnprocessableDocument):
        await revised(knowledge, " \n ")
    assert await listed(knowledge) == [1]


async def test_a_revision_invalidates_exactly_the_segments_that_no_document_has_any_more(
    knowledge: Knowledge,
) -> None:
    """Segments that another document or the new text has stay cached."""
    parts = ["alpha " * 20, "beta " * 20, "gamma " * 20]
    await knowledge.put("doc", "\n\n".join(parts), "T")
    await knowledge.put("twin", parts[1], "T")
    ingested = await knowledge.service.revise(SCOPE, DOC, parts[0] + "\n\n" + "delta " * 20, True)
    assert (ingested.kept, ingested.chunks, ingested.invalidated) == (1, 2, 1)
    assert [t.split()[-1] for t in knowledge.writer.invalidated] == ["gamma"]


async def test_without_invalidation_old_segments_are_left_to_expire(knowledge: Knowledge) -> None:
    """A search finds only the new text all the same."""
    await knowledge.put("doc", "the old colour is red", "T")
    ingested = await knowledge.service.revise(SCOPE, DOC, "the new colour is blue", False)
    assert (ingested.version, ingested.invalidated) == (2, 0)
    assert knowledge.writer.invalidated == []
    assert [t.split()[-1] for t in knowledge.writer.written] == ["red", "blue"]
    (passage,) = await knowledge.search("colour red")
    assert passage.body == "the new colour is blue"


async def test_obsolete_segments_are_invalidated_without_write_through_too(start: Start) -> None:
    """New segments are not written before their first use."""
    knowledge = await start(write_through=False)
    await knowledge.put("doc", "old", "T")
    assert (await knowledge.service.revise(SCOPE, DOC, "new", True)).tokens_written == 0
    assert knowledge.writer.written == []
    assert [t.split()[-1] for t in knowledge.writer.invalidated] == ["old"]


@pytest.mark.parametrize(
    ("pattern", "bodies"),
    [
        ("*", {"one", "two", "three", "four"}),
        ("api-*", {"one", "two"}),
        ("api-?", {"one"}),
        ("[ag]*-1", {"one", "three"}),
        ("API-*", {"four"}),
        ("guide-1", {"three"}),
        ("guide", set()),
        ("api_1", set()),
    ],
)
async def test_a_pattern_discards_the_segments_of_the_documents_it_names(
    knowledge: Knowledge, pattern: str, bodies: set[str]
) -> None:
    """In this tenant's collection only. The pattern is a case-sensitive glob, not a LIKE pattern."""
    for doc_id, body in (("api-1", "one"), ("api-10", "two"), ("guide-1", "three"), ("API-1", "four")):
        await knowledge.put(doc_id, body, "T")
    await knowledge.put("api-1", "not ours", "T", scope=OTHER)
    assert await knowledge.service.discard_segments(SCOPE, pattern) == len(bodies)
    assert {t.split()[-1] for t in knowledge.writer.discarded} == bodies
    assert len(await knowledge.service.list(SCOPE, 10, None)) == 4


@pytest.mark.parametrize("pattern", ["", " a", "a\\b", "a\0", "a\u200b", "x" * 201])
async def test_a_pattern_of_other_characters_is_refused(knowledge: Knowledge, pattern: str) -> None:
    """No id has such characters."""
    with pytest.raises(InvalidRequest) as refused:
        await knowledge.service.discard_segments(SCOPE, pattern)
    assert refused.value.param == "pattern"


async def test_an_earlier_versions_segments_are_not_the_documents_any_more(knowledge: Knowledge) -> None:
    """The replacement has invalidated them, so a pattern discards only the current ones."""
    await knowledge.put("doc", "old", "T")
    await revised(knowledge, "new")
    await knowledge.service.discard_segments(SCOPE, "doc")
    assert [t.split()[-1] for t in knowledge.writer.discarded] == ["new"]
