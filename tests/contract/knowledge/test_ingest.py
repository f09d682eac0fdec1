"""Many documents in one request, stored by a real knowledge base on every database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId
from serve_app.http.ingest import Ingest
from serve_app.http.upload_streams import Upload
from serve_app.services import Services
from tests.contract.knowledge.conftest import SCOPE, Knowledge, statements


def draft(doc_id: str, text: str, title: str = "") -> DocumentDraft:
    return DocumentDraft(DocId(doc_id), title, None, "text/markdown", text.encode())


async def ingest(knowledge: Knowledge, *drafts: DocumentDraft) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outcomes by id, and the summary."""

    async def uploads() -> AsyncIterator[Upload]:
        for one in drafts:
            yield one

    parts = SimpleNamespace(library=knowledge.service, changed=lambda *_: None)
    work = Ingest(SCOPE, cast(Services, parts))
    await work.run(uploads())
    *lines, summary, none = [work.lines.get_nowait() for _ in range(work.lines.qsize())]
    assert none is None
    outcomes = [json.loads(line or b"") for line in lines]
    return {one["doc_id"]: one for one in outcomes}, json.loads(summary or b"")


async def test_all_documents_are_found_after_their_lines(knowledge: Knowledge) -> None:
    drafts = [draft(f"d{number}", f"# Page\n\nword{number} and more") for number in range(40)]
    outcomes, summary = await ingest(knowledge, *drafts)
    assert (len(outcomes), summary["stored"]) == (40, 40)
    assert await knowledge.found("word7", top_k=1) == ["d7"]


async def test_a_repeated_request_reads_and_embeds_only_what_is_new(knowledge: Knowledge) -> None:
    await ingest(knowledge, draft("a", "alpha"), draft("b", "beta"))
    knowledge.embedder.embedded.clear()
    again = [draft("a", "alpha"), draft("b", "beta two"), draft("c", "gamma")]
    outcomes, summary = await ingest(knowledge, *again)
    assert {name: (one["status"], one["version"]) for name, one in outcomes.items()} == {
        "a": ("unchanged", 1),
        "b": ("stored", 2),
        "c": ("stored", 1),
    }
    assert (summary["unchanged"], len(knowledge.embedder.embedded)) == (1, 2)


async def test_other_labels_are_a_change(knowledge: Knowledge) -> None:
    await ingest(knowledge, draft("a", "alpha"))
    outcomes, _ = await ingest(knowledge, draft("a", "alpha", title="New"))
    assert outcomes["a"]["status"] == "stored"
    assert (await knowledge.service.get(SCOPE, DocId("a"))).title == "New"


async def test_a_document_that_was_revised_is_stored_again(knowledge: Knowledge) -> None:
    """Its upload is the same as before, but its text is not."""
    await ingest(knowledge, draft("a", "alpha"))
    await knowledge.service.revise(SCOPE, DocId("a"), "revised", True)
    outcomes, _ = await ingest(knowledge, draft("a", "alpha"))
    assert (outcomes["a"]["status"], outcomes["a"]["version"]) == ("stored", 3)


async def test_a_deleted_document_is_stored_again(knowledge: Knowledge) -> None:
    await ingest(knowledge, draft("a", "alpha"))
    await knowledge.service.delete(SCOPE, DocId("a"))
    outcomes, _ = await ingest(knowledge, draft("a", "alpha"))
    assert outcomes["a"]["status"] == "stored"


async def test_an_equal_text_in_another_file_is_unchanged_and_then_recognised(knowledge: Knowledge) -> None:
    await knowledge.put("a", "alpha")
    other = DocumentDraft(DocId("a"), "", None, "text/markdown; charset=utf-8", b"alpha")
    outcomes, _ = await ingest(knowledge, other)
    assert outcomes["a"]["status"] == "unchanged"
    with statements(knowledge.database) as made:
        await ingest(knowledge, other)
    assert not [statement for statement in made if statement.startswith(("INSERT", "UPDATE"))]


async def test_an_ingest_that_is_cut_off_leaves_whole_documents(knowledge: Knowledge) -> None:
    """The next one goes on."""
    knowledge.embedder.gate.clear()
    drafts = [draft(f"d{number}", f"text {number}") for number in range(30)]
    cut_off = asyncio.create_task(ingest(knowledge, *drafts))
    while not knowledge.embedder.waiting:  # noqa: ASYNC110 -- the fake has no event
        await asyncio.sleep(0.001)
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    knowledge.embedder.gate.set()
    stored = await knowledge.count()
    _, summary = await ingest(knowledge, *drafts)
    assert (summary["unchanged"], summary["stored"]) == (stored, 30 - stored)


async def test_moved_chunks_take_one_statement(knowledge: Knowledge) -> None:
    """However many there are: the others wait for the database meanwhile."""
    paragraphs = [f"word{number} " * 20 for number in range(50)]
    await knowledge.put("a", "\n\n".join(paragraphs), "T")
    with statements(knowledge.database) as made:
        moved = await knowledge.put("a", "\n\n".join(["first " * 20, *paragraphs]), "T")
    assert moved.kept >= 48
    assert sum("UPDATE chunks" in statement for statement in made) == 1
    passages = (await knowledge.service.passages_of(SCOPE, [DocId("a")])).passages
    assert [passage.ordinal for passage in passages] == list(range(moved.chunks))
    assert passages[1].body.startswith("word0")
