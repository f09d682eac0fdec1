"""Addresses, metadata and ids of documents: stored, filtered by, cited, and changed without new segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from deployments.core.document_labels import DocumentFilter, document_filter
from deployments.core.documents import DocumentDraft, MediaType, Passage, SearchQuery
from deployments.core.errors import InvalidRequest
from deployments.core.ids import DocId, doc_id
from deployments.knowledge.readers import loaders
from tests.contract.knowledge.conftest import SCOPE, Knowledge

URL = "https://acme.example/a?b=c#d"
LABELS = {
    'quote"d': "it's",
    "back\\slash": '"',
    "$.path[0]": "%_*?",
    "größe": "ü",
    "a.b": "' OR 1=1 --",
}


def draft(
    name: str, text: str, metadata: Mapping[str, str] | None = None, url: str | None = None
) -> DocumentDraft:
    return DocumentDraft(
        doc_id(name), "", None, "text/markdown", text.encode(), url=url, metadata=metadata or {}
    )


async def search(knowledge: Knowledge, text: str, only: DocumentFilter) -> tuple[Passage, ...]:
    return (await knowledge.service.search(SearchQuery(SCOPE, text, 5, None, only))).passages


async def test_labels_come_back_in_documents_lists_versions_and_passages(knowledge: Knowledge) -> None:
    await knowledge.service.put(SCOPE, draft("a", "needle", LABELS, URL))
    (listed,) = await knowledge.service.list(SCOPE, 5, None)
    (version,) = await knowledge.service.versions(SCOPE, DocId("a"), 5, None)
    for found in (await knowledge.service.get(SCOPE, DocId("a")), listed, version):
        assert (found.url, found.metadata) == (URL, LABELS)
    (passage,) = await knowledge.search("needle")
    (hit,) = await knowledge.service.search_text(SCOPE, "needle", 5)
    assert (passage.url, hit.url) == (URL, URL)


async def test_changed_labels_are_cited_at_once_and_keep_every_segment(knowledge: Knowledge) -> None:
    """They are no part of a segment, so nothing is embedded, tokenized or invalidated."""
    await knowledge.service.put(SCOPE, draft("a", "# T\n\nneedle", {"lang": "de"}, URL))
    written = list(knowledge.writer.written)
    changed = await knowledge.service.put(SCOPE, draft("a", "# T\n\nneedle", {"lang": "en"}, f"{URL}2"))
    assert (changed.version, changed.kept, changed.invalidated) == (2, changed.chunks, 0)
    assert (knowledge.writer.written, knowledge.writer.invalidated) == (written, [])
    (passage,) = await search(knowledge, "needle", document_filter({"lang": "en"}, None))
    assert (passage.url, passage.version) == (f"{URL}2", 2)
    assert await search(knowledge, "needle", document_filter({"lang": "de"}, None)) == ()
    before = await knowledge.service.version(SCOPE, DocId("a"), 1)
    assert (before.url, before.metadata) == (URL, {"lang": "de"})
    same = await knowledge.service.put(SCOPE, draft("a", "# T\n\nneedle", {"lang": "en"}, f"{URL}2"))
    assert same.version == 2


async def test_a_revision_keeps_the_labels(knowledge: Knowledge) -> None:
    await knowledge.service.put(SCOPE, draft("a", "# T\n\nneedle", LABELS, URL))
    await knowledge.service.revise(SCOPE, DocId("a"), "# T\n\nother", invalidate=True)
    document = await knowledge.service.get(SCOPE, DocId("a"))
    assert (document.url, document.metadata, document.version) == (URL, LABELS, 2)


@pytest.mark.parametrize(
    "given",
    [DocumentDraft(DocId("a"), "T", None, "text/markdown", b"needle"), None],
    ids=["bare", "labelled"],
)
async def test_front_matter_of_a_revision_changes_no_label(
    knowledge: Knowledge, given: DocumentDraft | None
) -> None:
    """Neither an empty one nor one that is set; it is still no part of the text."""
    whole = DocumentDraft(DocId("a"), "T", "S", "text/markdown", b"needle", ("let me in",), URL, LABELS)
    await knowledge.service.put(SCOPE, given or whole)
    before = await knowledge.service.get(SCOPE, DocId("a"))
    wordings = "".join(f"- wording {number}\n" for number in range(51))
    matter = f"title: N\nsection: {'N' * 500}\nurl: {URL}/new\nlang: fr\nowner: kim\nasked_as:\n{wordings}"
    await knowledge.service.revise(SCOPE, DocId("a"), f"---\n{matter}---\nother", invalidate=True)
    after = await knowledge.service.get(SCOPE, DocId("a"))
    assert (after.content, after.version) == ("other", 2)
    labels = [(one.title, one.section, one.url, one.metadata, one.asked_as) for one in (before, after)]
    assert labels[0] == labels[1]


@pytest.mark.parametrize("question", ["needle", "needle AB-4711"])
async def test_a_filter_is_part_of_the_query(knowledge: Knowledge, question: str) -> None:
    """Many better matches do not hide those that match, in vectors and in full text."""
    for number in range(120):
        await knowledge.service.put(SCOPE, draft(f"loud/{number}", "needle AB-4711", {"lang": "de"}))
    for number in range(3):
        text = f"needle AB-4711 among many other words {number}"
        await knowledge.service.put(SCOPE, draft(f"quiet/{number}", text, {"lang": "en", "product": "x"}))
    quiet = {f"quiet/{number}" for number in range(3)}
    by_metadata = document_filter({"lang": ["en", "fr"], "product": "x"}, None)
    by_id = document_filter(None, [*quiet, "unknown"])
    for only in (by_metadata, by_id):
        assert {p.doc_id for p in await search(knowledge, question, only)} == quiet
        assert {h.doc_id for h in await knowledge.service.search_text(SCOPE, "needle", 5, only)} == quiet
        assert {d.doc_id for d in await knowledge.service.list(SCOPE, 500, None, only)} == quiet
    neither = document_filter({"lang": "de"}, list(quiet))
    assert await search(knowledge, question, neither) == ()
    assert await knowledge.service.search_text(SCOPE, "needle", 5, neither) == ()


@pytest.mark.parametrize(("key", "value"), LABELS.items())
async def test_any_key_and_value_can_be_filtered_by(knowledge: Knowledge, key: str, value: str) -> None:
    """Literally: no character has a meaning in SQL or JSON paths."""
    await knowledge.service.put(SCOPE, draft("a", "needle", LABELS))
    await knowledge.service.put(SCOPE, draft("b", "needle", dict.fromkeys(LABELS, "other")))
    only = document_filter({key: value}, None)
    assert [p.doc_id for p in await search(knowledge, "needle", only)] == ["a"]
    assert [d.doc_id for d in await knowledge.service.list(SCOPE, 5, None, only)] == ["a"]


async def test_a_passage_names_its_range(knowledge: Knowledge) -> None:
    """Also after a change of the text before it, which moves passages that are kept."""
    text = "# Guide\n\n" + "\n\n".join(f"## Part {n}\n\n" + f"word{n} needle😀 " * 20 for n in range(5))
    await knowledge.service.put(SCOPE, draft("a", text))
    first = await knowledge.service.passages_of(SCOPE, [DocId("a")])
    changed = await knowledge.service.put(
        SCOPE, draft("a", text.replace("# Guide\n", "# Guide\n\n" + "New. " * 20 + "\n", 1))
    )
    assert changed.kept == changed.chunks - 1
    moved = await knowledge.service.passages_of(SCOPE, [DocId("a")])
    content = (await knowledge.service.get(SCOPE, DocId("a"))).content
    assert len(moved.passages) == len(first.passages) + 1
    for passage in moved.passages:
        assert passage.body == content[passage.start : passage.end]
    assert all(one.end <= other.start for one, other in pairwise(moved.passages) if one.end and other.start)


async def test_ids_with_any_character_are_matched_literally_or_by_a_glob(knowledge: Knowledge) -> None:
    """`%` and `_` have a meaning in SQL's LIKE only; `*` of a pattern also matches `/`."""
    for name in ("docs/a_b.md", "docs/aXb.md", "docs/100%.md", "docs/100x.md", "Über uns.md"):
        await knowledge.service.put(SCOPE, draft(name, f"text of {name}"))
    for pattern, count in (
        ("docs/a_*", 1),
        ("docs/100%*", 1),
        ("docs/*", 4),
        ("U\u0308ber*", 1),
        ("*.md", 5),
    ):
        assert await knowledge.service.discard_segments(SCOPE, pattern) == count
    assert (await knowledge.service.get(SCOPE, DocId("docs/100%.md"))).content == "text of docs/100%.md"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "/a/b", "https://", "https://a b", "https://a\n/b", "//a"]
)
async def test_what_is_no_web_address_is_refused(knowledge: Knowledge, url: str) -> None:
    with pytest.raises(InvalidRequest, match="https://host/path") as refused:
        await knowledge.service.put(SCOPE, draft("a", "text", url=url))
    assert refused.value.param == "url"


def test_a_documents_own_labels_are_used_where_the_caller_gives_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What does not fit of them is left out: it is no error of the caller's."""
    own = {"lang": "de", "product": "harbor", "description": "x" * 501}
    read = loaders._READERS[MediaType.MARKDOWN]
    for url, expected in ((URL, URL), ("/relative", None)):

        def with_labels(source: loaders._Source, url: str = url) -> loaders.LoadedDocument:
            return replace(read(source), url=url, metadata=own)

        monkeypatch.setitem(loaders._READERS, MediaType.MARKDOWN, with_labels)
        found = loaders.load(draft("a", "text", {"lang": "en"}))
        assert (found.url, found.metadata) == (expected, {"lang": "en", "product": "harbor"})
    assert loaders.load(draft("a", "text", url=f"{URL}2")).url == f"{URL}2"
