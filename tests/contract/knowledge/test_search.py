"""What a search finds, on every database."""

from __future__ import annotations

import pytest

from deployments.core.documents import SearchQuery
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start

HOSTILE = [
    "",
    "?",
    '"',
    "'",
    "'' OR 1=1 --",
    '"unbalanced phrase',
    "NEAR(a b, 3) AND NOT title:x* ^y",
    "a\0b",
    "a & b | !c <-> (d:*",
    "\\",
    "%s :name $1 {0}",
    "ẛ̣ 漢字 😀 ١٢٣",
    "\u0301",
    "x" * 5000,
    "word " * 1000,
]


ASKED = "---\nasked_as:\n  - {}\n---\nsign-in lock"


async def test_an_empty_collection_finds_nothing(knowledge: Knowledge) -> None:
    found = await knowledge.service.search(SearchQuery(SCOPE, "anything", 5))
    assert (found.passages, found.generation) == ((), 0)
    assert await knowledge.service.search_text(SCOPE, "anything", 5) == ()


async def test_a_passage_says_where_it_is_from(knowledge: Knowledge) -> None:
    await knowledge.put("a", "# T\n\n## Part\n\nneedle in text", section="guide")
    found = await knowledge.service.search(SearchQuery(SCOPE, "needle", 5))
    (passage,) = found.passages
    assert (passage.doc_id, passage.title, passage.heading, passage.section) == ("a", "T", "Part", "guide")
    assert (passage.version, passage.ordinal, passage.body) == (1, 0, "needle in text")
    assert passage.similarity is not None
    assert 0 < passage.similarity < 1
    assert passage.score == pytest.approx(1 + 2 / 61)
    assert found.generation == 1


async def test_at_most_top_k_passages_come_best_first(knowledge: Knowledge) -> None:
    for number in range(6):
        await knowledge.put(f"d{number}", "needle " * (6 - number) + "hay " * (number + 1) * 3, "T")
    found = await knowledge.search("needle", top_k=3)
    assert [p.doc_id for p in found] == ["d0", "d1", "d2"]
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)


async def test_the_best_passage_of_each_document_precedes_further_ones(knowledge: Knowledge) -> None:
    await knowledge.put("long", "\n\n".join(f"needle needle {'hay ' * 18} {n}" for n in range(3)), "T")
    await knowledge.put("short", f"needle {'straw ' * 20}", "T")
    found = await knowledge.search("needle", top_k=3)
    assert [p.doc_id for p in found] == ["long", "short", "long"]


async def test_further_passages_are_of_the_documents_found(knowledge: Knowledge) -> None:
    await knowledge.put("long", "\n\n".join(f"needle needle {'hay ' * 18} {n}" for n in range(4)), "T")
    await knowledge.put("other", f"needle {'straw ' * 20}", "T")
    found = (await knowledge.service.search(SearchQuery(SCOPE, "needle", 1, further=2))).passages
    assert [p.doc_id for p in found] == ["long"] * 3
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert len({p.ordinal for p in found}) == 3


async def test_a_document_about_the_question_precedes_a_chance_likeness(knowledge: Knowledge) -> None:
    """Although the other one has the most similar passage, as the similarities say."""
    stray = [f"needle needle hay {'hay ' * 18}", *(f"{'straw ' * 20}{n}" for n in range(6))]
    await knowledge.put("stray", "\n\n".join(stray), "T")
    await knowledge.put("about", "\n\n".join(f"needle needle {'hay ' * 22}{n}" for n in range(6)), "T")
    best, other, *_ = await knowledge.search("needle", top_k=2)
    assert (best.doc_id, other.doc_id) == ("about", "stray")
    assert best.similarity is not None
    assert other.similarity is not None
    assert 0 < best.similarity < other.similarity


async def test_shared_words_count_only_if_they_are_identifiers_or_rare(knowledge: Knowledge) -> None:
    """Full text ignores common words, so it finds only the last two documents here."""
    await knowledge.put("near", "what is what is", "T")
    await knowledge.put("says it", "the needle TW-4003 in all of this hay", "T")
    await knowledge.put("says more", "a needle in a stack of straw and other things", "T")
    assert await knowledge.found("what is needle", top_k=1) == ["near"]
    assert await knowledge.found("what is TW-4003", top_k=2) == ["says it", "near"]
    assert await knowledge.found("what is straw", top_k=2) == ["says more", "near"]


async def test_a_document_is_found_by_a_wording(knowledge: Knowledge) -> None:
    await knowledge.put("other", "come in come in", "T")
    await knowledge.put("lock", ASKED.format("it will not let me come in"), "T")
    assert (await knowledge.found("it will not let me come in", top_k=2)) == ["lock", "other"]
    (passage, *_) = await knowledge.search("it will not let me come in")
    assert passage.body == "sign-in lock"
    assert passage.similarity is not None
    assert passage.similarity > 0.6


async def test_a_long_document_with_a_wording_hides_no_other(knowledge: Knowledge) -> None:
    paragraphs = "\n\n".join(f"page{number} {'filler ' * 25}" for number in range(60))
    await knowledge.put("long", f"---\nasked_as:\n  - let me in please\n---\n{paragraphs}", "T")
    others = {f"other{number}" for number in range(5)}
    for doc_id in others:
        await knowledge.put(doc_id, f"let me in {doc_id}", "T")
    first, *rest = await knowledge.found("let me in please", top_k=6)
    assert (first, {*rest}) == ("long", others)


async def test_a_wording_is_removed_with_the_version_that_has_it(knowledge: Knowledge) -> None:
    await knowledge.put("lock", ASKED.format("old words"), "T")
    again = await knowledge.put("lock", ASKED.format("new words"), "T")
    assert (again.version, again.kept, again.invalidated, again.tokens_written) == (2, 1, 0, 0)
    assert knowledge.embedder.embedded.count("new words") == 1
    first = (await knowledge.search("old words"))[0].similarity
    second = (await knowledge.search("new words"))[0].similarity
    assert first is not None
    assert second is not None
    assert first < second
    assert (await knowledge.service.get(SCOPE, DocId("lock"))).asked_as == ("new words",)
    await knowledge.service.revise(SCOPE, DocId("lock"), "another text", invalidate=True)
    assert (await knowledge.service.get(SCOPE, DocId("lock"))).asked_as == ("new words",)
    await knowledge.put("lock", "another text", "T")
    assert (await knowledge.search("new words"))[0].similarity == pytest.approx(0)


async def test_another_tenants_wordings_are_not_used(knowledge: Knowledge) -> None:
    other = Scope(TenantId("other"), SCOPE.collection)
    await knowledge.put("lock", ASKED.format("let us through"), "T", scope=other)
    await knowledge.put("lock", "sign-in lock", "T")
    assert (await knowledge.search("let us through"))[0].similarity == pytest.approx(0)


async def test_titles_count_more_than_bodies(knowledge: Knowledge) -> None:
    await knowledge.put("body", "invoice something", "Something")
    await knowledge.put("title", "something else", "Invoice")
    assert [hit.doc_id for hit in await knowledge.service.search_text(SCOPE, "invoices", 5)] == [
        "title",
        "body",
    ]


async def test_words_are_compared_by_stem_case_and_without_accents(knowledge: Knowledge) -> None:
    await knowledge.put("a", "Résumés were uploaded", "T")
    for question in ("resume", "RÉSUMÉ", "uploading"):
        assert [h.doc_id for h in await knowledge.service.search_text(SCOPE, question, 5)] == ["a"]


async def test_a_section_is_filtered_inside_the_query(knowledge: Knowledge) -> None:
    for number in range(70):
        await knowledge.put(f"loud{number}", "needle needle needle", "needle", section="loud")
    for number in range(4):
        await knowledge.put(f"quiet{number}", f"needle among many other words {number}", "T", section="quiet")
    found = await knowledge.search("needle", top_k=4, section="quiet")
    assert {p.doc_id for p in found} == {"quiet0", "quiet1", "quiet2", "quiet3"}
    assert await knowledge.search("needle", top_k=4, section="none such") == ()


async def test_another_tenants_or_collections_passages_are_never_found(knowledge: Knowledge) -> None:
    for number in range(60):
        await knowledge.put(f"d{number}", "needle", "T", scope=Scope(TenantId("other"), SCOPE.collection))
        await knowledge.put(f"d{number}", "needle", "T", scope=Scope(SCOPE.tenant, CollectionName("other")))
    await knowledge.put("mine", "a needle far down in the list", "T")
    assert await knowledge.found("needle", top_k=50) == ["mine"]
    assert [h.doc_id for h in await knowledge.service.search_text(SCOPE, "needle", 50)] == ["mine"]


async def test_passages_below_the_similarity_threshold_are_dropped(start: Start) -> None:
    knowledge = await start(similarity_threshold=0.5)
    await knowledge.put("near", "red green", "T")
    await knowledge.put("far", "red one two three four five six seven eight", "T")
    assert [p.doc_id for p in await knowledge.search("red green")] == ["near"]
    assert await knowledge.search("unrelated words") == ()


async def test_a_search_sees_every_change_at_once(knowledge: Knowledge) -> None:
    await knowledge.put("a", "first needle", "T")
    assert [p.body for p in await knowledge.search("needle")] == ["first needle"]
    await knowledge.put("a", "second needle", "T")
    assert [(p.body, p.version) for p in await knowledge.search("needle")] == [("second needle", 2)]
    await knowledge.put("b", "third needle", "T")
    assert {p.body for p in await knowledge.search("needle")} == {"second needle", "third needle"}


async def test_no_question_breaks_a_search(knowledge: Knowledge) -> None:
    await knowledge.put("a", "a word and x", "T")
    for question in HOSTILE:
        await knowledge.search(question)
        await knowledge.service.search_text(SCOPE, question, 5)


async def test_hostile_documents_are_stored_and_found_as_text(knowledge: Knowledge) -> None:
    texts = [text for text in HOSTILE if "\0" not in text]
    for number, text in enumerate(texts):
        await knowledge.put(f"d{number}", f"needle {text}", f"T {text[:50]}", section=text[:50])
    assert len(await knowledge.found("needle", top_k=50)) == len(texts)
    assert await knowledge.found("needle", section="'' OR 1=1 --") == [f"d{texts.index(HOSTILE[4])}"]


async def test_text_search_gives_each_document_once_with_a_snippet(knowledge: Knowledge) -> None:
    await knowledge.put("a", "\n\n".join(f"{'filler ' * 20} needle number{n}" for n in range(4)), "T")
    await knowledge.put("b", "no match here", "T")
    (hit,) = await knowledge.service.search_text(SCOPE, "needle", 5)
    assert (hit.doc_id, hit.title, hit.version) == ("a", "T", 1)
    assert "needle" in hit.snippet
    assert hit.score > 0


async def test_the_threshold_never_drops_a_passage_that_spells_the_question(start: Start) -> None:
    knowledge = await start(similarity_threshold=0.99)
    for doc_id, body in {
        "code": "the lamp blinks twice and the display shows E-08 until the lid is closed",
        "other": "the lamp blinks once and the display shows E-80 until the drum is turned",
        "rare": "the quokka lives on an island far away from all the others that we know of",
        "far": "something else that nobody asks for in this test of what is dropped here",
    }.items():
        await knowledge.put(doc_id, body, "T")
    for question in ("What does E-08 mean?", "e08", "E 08!"):
        assert await knowledge.found(question) == ["code"]
    assert await knowledge.found("Where is the quokka?") == ["rare"]
    assert await knowledge.found("Where are quokka and wombat?") == []
    (passage,) = await knowledge.search("E-08")
    assert passage.score > 1
    assert passage.similarity is not None
    assert passage.similarity < 0.99


async def test_spelt_passages_are_those_of_the_section(knowledge: Knowledge) -> None:
    await knowledge.put("a", "error E-08 here", "T", section="one")
    await knowledge.put("b", "error E-08 there", "T", section="two")
    assert await knowledge.found("E-08", section="two") == ["b"]


async def test_what_is_rare_does_not_depend_on_a_filter(knowledge: Knowledge) -> None:
    """Among few documents each word is rare, and no passage would have all of them."""
    await knowledge.put("hit", "the zebra rule in the hay", section="rules")
    await knowledge.put("other", "an invoice and a payment", section="rules")
    for number in range(60):
        await knowledge.put(f"d{number}", f"an invoice and a payment number {number}")
    for section in (None, "rules"):
        query = SearchQuery(SCOPE, "zebra invoice payment", 1, section)
        assert (await knowledge.service.search(query)).passages[0].doc_id == "hit"
