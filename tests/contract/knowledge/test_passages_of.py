"""All passages of named documents, on every database."""

from __future__ import annotations

from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from tests.contract.knowledge.conftest import SCOPE, Knowledge


def long_text(word: str) -> str:
    """Returns a text of several chunks of 32 words."""
    return "\n\n".join(f"{word} {number} " + "text " * 20 for number in range(4))


async def test_passages_come_in_the_order_of_the_ids_and_of_their_text(knowledge: Knowledge) -> None:
    """They are the chunks that a search finds, with the same segments."""
    for name in ("a", "b", "c"):
        await knowledge.put(name, long_text(name), f"Title {name}", section="s")
    found = await knowledge.service.passages_of(SCOPE, [DocId("c"), DocId("a")])
    assert list(dict.fromkeys(passage.doc_id for passage in found.passages)) == ["c", "a"]
    of_c = [passage for passage in found.passages if passage.doc_id == "c"]
    assert [passage.ordinal for passage in of_c] == list(range(len(of_c)))
    assert " ".join(p.body for p in of_c).split() == long_text("c").split()
    searched = {(p.doc_id, p.ordinal): p.segment for p in await knowledge.search("c 0", top_k=20)}
    assert all(searched[p.doc_id, p.ordinal] == p.segment for p in of_c)
    assert {(p.score, p.similarity, p.section, p.version) for p in found.passages} == {(0.0, None, "s", 1)}
    assert found.generation == 3


async def test_unknown_documents_and_those_of_other_tenants_are_absent(knowledge: Knowledge) -> None:
    other = Scope(TenantId("other"), SCOPE.collection)
    elsewhere = Scope(SCOPE.tenant, CollectionName("elsewhere"))
    await knowledge.put("theirs", "text", "T", scope=other)
    await knowledge.put("elsewhere", "text", "T", scope=elsewhere)
    wanted = [DocId("theirs"), DocId("elsewhere"), DocId("nowhere")]
    assert (await knowledge.service.passages_of(SCOPE, wanted)).passages == ()
    assert (await knowledge.service.passages_of(SCOPE, [])).passages == ()


async def test_passages_are_of_the_newest_version(knowledge: Knowledge) -> None:
    await knowledge.put("a", "old text", "T")
    await knowledge.put("a", "new text", "T")
    (passage,) = (await knowledge.service.passages_of(SCOPE, [DocId("a")])).passages
    assert (passage.body, passage.version) == ("new text", 2)
