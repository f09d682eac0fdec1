"""What storing, replacing and deleting documents does, on every database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from deployments.core.documents import DocumentDraft
from deployments.core.errors import InvalidRequest, NotFound, UnprocessableDocument
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from tests.contract.knowledge.conftest import SCOPE, Knowledge, statements, until

PARTS = ["alpha " * 20, "beta " * 20, "gamma " * 20]


def paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)


async def rows(knowledge: Knowledge, table: str) -> int:
    async with knowledge.database.snapshot() as connection:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def test_the_reply_says_what_was_guessed(knowledge: Knowledge) -> None:
    draft = DocumentDraft(DocId("d"), "", None, "text/plain", "30 €".encode("cp1252"))
    for _ in range(2):  # also if nothing changes
        stored = await knowledge.service.put(SCOPE, draft)
        assert "guessed to be windows-1252" in stored.warnings[0]


async def test_a_stored_document_comes_back(knowledge: Knowledge) -> None:
    ingested = await knowledge.put("a.b:c-1", "# Größe 漢字 😀\n\nText", section="guide")
    assert (ingested.version, ingested.chunks, ingested.kept, ingested.generation) == (1, 1, 0, 1)
    found = await knowledge.service.get(SCOPE, DocId("a.b:c-1"))
    assert (found.title, found.section, found.content) == (
        "Größe 漢字 😀",
        "guide",
        "# Größe 漢字 😀\n\nText",
    )
    assert (found.scope, found.version, found.chunks) == (SCOPE, 1, 1)
    assert found.created_at_s == found.updated_at_s > 1_700_000_000


async def test_an_equal_document_changes_nothing(knowledge: Knowledge) -> None:
    first = await knowledge.put("a", paragraphs(*PARTS))
    again = await knowledge.put("a", paragraphs(*PARTS))
    assert (again.version, again.kept, again.chunks) == (1, first.chunks, first.chunks)
    assert (again.invalidated, again.generation) == (0, first.generation)
    assert knowledge.writer.invalidated == []


async def test_an_edit_keeps_unchanged_chunks_and_embeds_new_ones_only(knowledge: Knowledge) -> None:
    await knowledge.put("a", paragraphs(*PARTS), "T")
    knowledge.embedder.embedded.clear()
    knowledge.writer.written.clear()
    edited = await knowledge.put("a", paragraphs(PARTS[2], "delta " * 20, PARTS[0]), "T")
    assert (edited.version, edited.chunks, edited.kept, edited.invalidated) == (2, 3, 2, 1)
    assert [t.split()[-1] for t in knowledge.embedder.embedded] == ["delta"]
    assert [t.split()[-1] for t in knowledge.writer.written] == ["delta"]
    assert [t.split()[-1] for t in knowledge.writer.invalidated] == ["beta"]
    assert edited.tokens_written == len(knowledge.writer.written[0].split())
    ordinals = {p.body.split()[0]: p.ordinal for p in await knowledge.search("alpha gamma delta")}
    assert ordinals == {"gamma": 0, "delta": 1, "alpha": 2}


async def test_a_new_title_replaces_every_segment(knowledge: Knowledge) -> None:
    await knowledge.put("a", paragraphs(*PARTS), "Old")
    renamed = await knowledge.put("a", paragraphs(*PARTS), "New")
    assert (renamed.kept, renamed.invalidated) == (0, 3)
    assert all("### Old" in segment for segment in knowledge.writer.invalidated)


async def test_a_new_section_keeps_every_segment(knowledge: Knowledge) -> None:
    await knowledge.put("a", paragraphs(*PARTS), "T", section="x")
    moved = await knowledge.put("a", paragraphs(*PARTS), "T", section="y")
    assert (moved.version, moved.kept, moved.invalidated, moved.generation) == (2, 3, 0, 2)
    assert await knowledge.found("alpha", section="x") == []
    assert await knowledge.found("alpha", section="y") == ["a"]


async def test_equal_chunks_of_one_document_are_each_kept(knowledge: Knowledge) -> None:
    text_ = paragraphs(PARTS[0], PARTS[0], PARTS[1])
    assert (await knowledge.put("a", text_, "T")).chunks == 3
    edited = await knowledge.put("a", paragraphs(PARTS[0], PARTS[0], PARTS[2]), "T")
    assert (edited.kept, edited.invalidated) == (2, 1)
    fewer = await knowledge.put("a", paragraphs(PARTS[0], PARTS[2]), "T")
    assert (fewer.kept, fewer.invalidated) == (2, 0)


async def test_deleting_removes_everything_of_the_document(knowledge: Knowledge) -> None:
    await knowledge.put("a", paragraphs(*PARTS), "T")
    await knowledge.put("b", "other text", "U")
    deleted = await knowledge.service.delete(SCOPE, DocId("a"))
    assert (deleted.version, deleted.chunks, deleted.invalidated, deleted.generation) == (1, 0, 3, 3)
    assert len(knowledge.writer.invalidated) == 3
    with pytest.raises(NotFound):
        await knowledge.service.get(SCOPE, DocId("a"))
    assert await knowledge.found("alpha beta gamma") == ["b"]
    assert await rows(knowledge, "chunks") == await rows(knowledge, "chunk_search") == 1


async def test_a_segment_that_another_document_has_is_not_invalidated(knowledge: Knowledge) -> None:
    await knowledge.put("a", paragraphs(PARTS[0], PARTS[1]), "T")
    await knowledge.put("b", paragraphs(PARTS[1], PARTS[2]), "T")
    deleted = await knowledge.service.delete(SCOPE, DocId("a"))
    assert deleted.invalidated == 1
    assert [t.split()[-1] for t in knowledge.writer.invalidated] == ["alpha"]


async def test_a_segment_is_invalidated_even_if_another_tenant_has_it(knowledge: Knowledge) -> None:
    other = Scope(TenantId("other"), SCOPE.collection)
    await knowledge.put("a", PARTS[0], "T")
    await knowledge.put("a", PARTS[0], "T", scope=other)
    assert (await knowledge.service.delete(SCOPE, DocId("a"))).invalidated == 1


async def test_unknown_documents_are_not_found(knowledge: Knowledge) -> None:
    await knowledge.put("a", "text", scope=Scope(TenantId("other"), SCOPE.collection))
    for call in (knowledge.service.get, knowledge.service.delete):
        with pytest.raises(NotFound, match="a"):
            await call(SCOPE, DocId("a"))


async def test_one_id_in_two_tenants_and_collections_is_three_documents(knowledge: Knowledge) -> None:
    scopes = [
        SCOPE,
        Scope(TenantId("other"), SCOPE.collection),
        Scope(SCOPE.tenant, CollectionName("other")),
    ]
    for number, scope in enumerate(scopes):
        await knowledge.put("same", f"common text {number}", f"T{number}", scope=scope)
    for number, scope in enumerate(scopes):
        assert (await knowledge.service.get(scope, DocId("same"))).title == f"T{number}"
        assert [p.title for p in await knowledge.search("common text", scope=scope)] == [f"T{number}"]
    await knowledge.service.delete(SCOPE, DocId("same"))
    assert [await knowledge.found("common", scope=scope) for scope in scopes] == [[], ["same"], ["same"]]


async def test_documents_are_listed_by_id_page_by_page(knowledge: Knowledge) -> None:
    for doc_id in ("b", "a", "d", "c"):
        await knowledge.put(doc_id, f"text {doc_id}")
    first = await knowledge.service.list(SCOPE, 3, None)
    assert [d.doc_id for d in first] == ["a", "b", "c"]
    assert [d.doc_id for d in await knowledge.service.list(SCOPE, 3, first[-1].doc_id)] == ["d"]
    assert await knowledge.service.list(Scope(TenantId("other"), SCOPE.collection), 3, None) == ()


async def test_an_unreadable_document_leaves_the_stored_one_as_it_was(knowledge: Knowledge) -> None:
    before = await knowledge.put("a", "good text")
    with pytest.raises(UnprocessableDocument, match="a"):
        await knowledge.service.put(SCOPE, DocumentDraft(DocId("a"), "", None, "text/plain", b"a\0b"))
    assert (await knowledge.service.get(SCOPE, DocId("a"))).content == "good text"
    assert (await knowledge.put("a", "good text")).generation == before.generation


async def test_a_put_that_is_cancelled_while_embedding_stores_nothing(knowledge: Knowledge) -> None:
    knowledge.embedder.gate.clear()
    putting = asyncio.create_task(knowledge.put("a", "text"))
    await until(lambda: asyncio.sleep(0, knowledge.embedder.waiting > 0))
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert [await rows(knowledge, table) for table in ("documents", "chunks", "collections")] == [0, 0, 0]


async def test_concurrent_puts_of_one_document_each_make_a_version(knowledge: Knowledge) -> None:
    texts = [paragraphs(PARTS[0], f"version {n} " * 8) for n in range(8)]
    done = await asyncio.gather(*(knowledge.put("a", text_, "T") for text_ in texts))
    assert sorted(ingested.version for ingested in done) == list(range(1, 9))
    assert sorted(ingested.generation for ingested in done) == list(range(1, 9))
    assert (await knowledge.service.get(SCOPE, DocId("a"))).content == texts[-1].rstrip()
    assert await rows(knowledge, "chunks") == await rows(knowledge, "chunk_search") == 2


async def test_concurrent_changes_of_several_documents_raise_the_generation_each(
    knowledge: Knowledge,
) -> None:
    done = await asyncio.gather(*(knowledge.put(f"d{n}", f"text {n}") for n in range(10)))
    assert sorted(ingested.generation for ingested in done) == list(range(1, 11))


async def test_a_token_cache_that_fails_does_not_fail_the_put(
    knowledge: Knowledge, caplog: pytest.LogCaptureFixture
) -> None:
    knowledge.writer.down = True
    ingested = await knowledge.put("a", "text")
    assert (ingested.version, ingested.tokens_written) == (1, 0)
    assert await knowledge.found("text") == ["a"]
    assert "the token cache was not told" in caplog.text


async def test_the_status_probes_the_database_and_reads_no_documents(knowledge: Knowledge) -> None:
    """Readiness is asked for without a key: it has to cost the same at any size."""
    await knowledge.put("a", "text")
    with statements(knowledge.database) as made:
        assert await knowledge.service.status() == {"index": "ready"}
    assert made
    assert not any("documents" in statement for statement in made)


async def test_a_list_reads_no_texts(knowledge: Knowledge) -> None:
    """Those of many documents can be gigabytes."""
    await knowledge.put("a", "---\nasked_as:\n  - wording\n---\ntext", "T")
    with statements(knowledge.database) as made:
        (listed,) = await knowledge.service.list(SCOPE, 5, None)
    assert (listed.doc_id, listed.title, listed.content, listed.asked_as, listed.chunks) == (
        "a",
        "T",
        "",
        (),
        1,
    )
    assert not any(re.search(r"documents\.content\b", statement) for statement in made)


async def test_segments_are_discarded_in_batches(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message carries the texts of a whole collection."""
    monkeypatch.setattr("deployments.knowledge.store._BATCH", 2)
    for number in range(5):
        await knowledge.put(f"d{number}", f"text {number}", "T")
    discard = knowledge.writer.discard
    sizes: list[int] = []

    async def counted(scope: Scope, texts: Sequence[str]) -> int:
        sizes.append(len(texts))
        return await discard(scope, texts)

    monkeypatch.setattr(knowledge.writer, "discard", counted)
    assert await knowledge.service.discard_segments(SCOPE, "d*") == 5
    assert len(set(knowledge.writer.discarded)) == 5
    assert max(sizes) == 2


async def test_a_long_section_in_front_matter_is_refused(knowledge: Knowledge) -> None:
    """Citations carry the section, so it has the limit that the query parameter has."""
    with pytest.raises(UnprocessableDocument, match=r"section .* more than 100 characters"):
        await knowledge.put("a", f"---\nsection: {'s' * 101}\n---\ntext")
    with pytest.raises(InvalidRequest, match="section must have at most 100"):
        await knowledge.put("a", "text", section="s" * 101)
    await knowledge.put("a", f"---\nsection: {'s' * 100}\n---\ntext")
    await knowledge.service.check_health()
