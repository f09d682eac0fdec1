"""A word that is planted in every store, as a user would, is nowhere after an erasure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployments.core.documents import SearchQuery
from deployments.core.erasure import ErasureKind, ErasureState, ErasureTarget
from deployments.core.errors import CacheUnavailable, Conflict
from deployments.core.ids import Scope, TenantId
from deployments.core.salt import entry_seal
from deployments.redis.connection import RedisLink
from deployments.retrieval import held_leases
from deployments.retrieval.cached_retriever import RetrievalKey
from deployments.retrieval.forgetting import FORGET_AFTER_S
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from tests.contract.erasure.conftest import ACME, ACTOR, SECRET, SUPPORT_KB, Whole
from tests.contract.erasure.planting import (
    DOCUMENTS,
    OTHER_WORD,
    WORD,
    forget_hold,
    plant_conversation,
    plant_document,
    plant_records,
    send,
)

USER = "annabellina"


async def test_a_planted_word_is_found_in_each_kind_of_store(whole: Whole) -> None:
    """Or its absence later would prove nothing."""
    await plant_document(whole, WORD)
    await plant_records(whole, WORD, USER)
    await plant_conversation(whole, WORD, USER)
    places = await whole.places(WORD)
    columns = {place.partition(" ")[2] for place in places if place.startswith("database")}
    assert columns >= {
        "documents.content",
        "document_versions.content",
        "chunks.body",
        "wordings.body",
        "tickets.issue_description",
        "ticket_events.text",
        "idempotency_keys.response",
        "business_templates.template_data",
        "business_ideas.idea",
        "conversation_turns.answer",
    }
    names = [place for place in places if place.startswith("redis")]
    assert any("warmline:seg:" in name for name in names)
    assert f"redis warmline:ret:{ACME}/{SUPPORT_KB}" in names
    is_file = whole.database.dialect == "sqlite"
    assert any(place.endswith("warmline.db") for place in places) == is_file
    assert any(place.endswith(f"questions/{ACME}.jsonl") for place in places)
    assert whole.agent.kept() > 0


async def test_an_answer_in_flight_is_not_stored_after_an_erasure(whole: Whole) -> None:
    """Whether it begins a conversation or continues one; a later one is."""
    await plant_conversation(whole, WORD, "ben")
    turn = await whole.conversations.conversation_turn(ACME, f"resp_{WORD}ben")
    asked = await whole.conversations.conversation_erasures(ACME)
    await whole.erase(kind="customer", user_id=USER)
    begins = replace(turn, conversation_id="conv_new", turn_id="resp_new")
    continues = replace(turn, turn_id="resp_next", previous=turn.turn_id, follows=turn.turn_id)
    for late in (begins, continues):
        with pytest.raises(Conflict):
            await whole.conversations.add_turn(late, USER, False, asked)
    erasures = await whole.conversations.conversation_erasures(ACME)
    await whole.conversations.add_turn(begins, USER, False, erasures)


@pytest.mark.parametrize("kind", ["tenant", "parts"])
async def test_after_an_erasure_it_is_nowhere(whole: Whole, kind: str) -> None:
    """Not in a table, an entry of Redis or a byte of SQLite's file, and in no cache of an agent."""
    await plant_document(whole, WORD)
    await plant_records(whole, WORD, USER)
    await plant_conversation(whole, WORD, said="manual")
    await plant_conversation(whole, WORD, USER)
    salt = await whole.agent.ask(ACME, f"What is {WORD}?")
    if kind == "tenant":
        erased = [await whole.erase(kind="tenant", confirm=ACME)]
    else:
        document = await whole.erase(kind="document", collection=SUPPORT_KB, doc_id="manual")
        erased = [document, await whole.erase(kind="customer", user_id=USER)]
    assert await whole.places(WORD) == []
    assert whole.agent.kept() == 0
    assert await whole.agent.ask(ACME, "Anything?") != salt
    removed: dict[str, int] = {}
    for one in erased:
        assert one["state"] == "done"
        for name, count in one["removed"].items():  # type: ignore[attr-defined]
            removed[name] = removed.get(name, 0) + count
    assert {name: removed[name] for name in ("tickets", "ticket_events", "templates", "ideas")} == {
        "tickets": 1,
        "ticket_events": 3,
        "templates": 1,
        "ideas": 1,
    }
    assert (removed["documents"], removed["document_versions"], removed["responses"]) == (3, 1, 2)
    assert removed["conversations"] == 2
    assert removed["cached_segments"] > 0
    assert await whole.places(USER) == []


async def test_what_others_have_stays(whole: Whole) -> None:
    """Other documents and customers of the tenant, and other tenants."""
    await plant_document(whole, WORD)
    await plant_document(whole, OTHER_WORD, "other")
    await plant_records(whole, WORD, USER)
    await plant_records(whole, OTHER_WORD, "bob")
    other = {"x-business-id": "other"}
    body = {"content": f"# Theirs\n\n{OTHER_WORD}"}
    await whole.api.http.put(f"{DOCUMENTS}/theirs", json=body, headers=other)
    theirs = await whole.agent.ask(TenantId("other"), "What is theirs?")
    await whole.erase(kind="document", collection=SUPPORT_KB, doc_id="manual")
    await whole.erase(kind="customer", user_id=USER)
    columns = {place.partition(" ")[2] for place in await whole.places(OTHER_WORD)}
    assert columns >= {"documents.content", "tickets.solution", "idempotency_keys.response"}
    assert (await whole.api.http.get(f"{DOCUMENTS}/theirs", headers=other)).status_code == 200
    assert await whole.agent.ask(TenantId("other"), "What is theirs?") == theirs
    assert await whole.places(WORD) == []


@pytest.mark.parametrize("kind", ["tenant", "document"])
async def test_a_search_from_before_an_erasure_stores_nothing_after_it(
    whole: Whole, link: RedisLink, kind: str
) -> None:
    """Its passages are the erased ones."""
    await plant_document(whole, WORD)
    query = SearchQuery(Scope(ACME, SUPPORT_KB), "a late question", 5)
    early = await whole.knowledge.search(query)
    assert WORD in early.passages[0].body
    if kind == "tenant":
        await whole.erase(kind="tenant", confirm=ACME)
    else:
        await whole.erase(kind="document", collection=SUPPORT_KB, doc_id="manual")
    late = RedisRetrievalStore(link, entry_seal(SECRET))
    await late.put(RetrievalKey(query, early.state, ""), early, 600)
    assert await whole.places(WORD) == []


async def test_deleting_a_document_leaves_no_text_of_it_anywhere(whole: Whole) -> None:
    """The engine's KV blocks excepted: an erasure has a new salt, a deletion has not."""
    await plant_document(whole, WORD)
    salt = await whole.agent.ask(ACME, "What is it?")
    whole.agent.questions.erase(ACME)
    await send(whole, "DELETE", f"{DOCUMENTS}/manual")
    assert await whole.places(WORD) == []
    await asyncio.sleep(FORGET_AFTER_S + 0.1)
    assert whole.agent.kept() == 0
    assert await whole.agent.ask(ACME, "Anything?") == salt


async def test_an_agent_that_nobody_asks_keeps_nothing(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not hear of a deletion."""
    monkeypatch.setattr(held_leases, "WATCHED_S", 0.1)
    await plant_document(whole, WORD)
    assert whole.agent.kept() > 0
    async with asyncio.timeout(60):
        while whole.agent.kept():  # noqa: ASYNC110 -- it has no event
            await asyncio.sleep(0.05)


async def test_a_change_strands_no_former_passages_in_redis(whole: Whole) -> None:
    await plant_document(whole, WORD)
    body = {"content": f"# New\n\nOnly {OTHER_WORD}."}
    await send(whole, "PUT", f"{DOCUMENTS}/manual", json=body)
    assert [place for place in await whole.places(WORD) if place.startswith("redis")] == []


class FailsOnce:
    """A cache that is down at the first call."""

    def __init__(self, whole: Whole) -> None:
        self._inner = whole.caches
        self.calls = 0

    async def clear(self, tenant: TenantId, collection: Any) -> int:
        self.calls += 1
        if self.calls == 1:
            raise CacheUnavailable("the token cache does not answer")
        return await self._inner.clear(tenant, collection)


async def test_an_erasure_that_fails_says_why_and_goes_on_later(whole: Whole) -> None:
    """Redis was down."""
    await plant_document(whole, WORD)
    await plant_records(whole, WORD, USER)
    whole.erasing._parts = replace(whole.erasing._parts, caches=FailsOnce(whole))
    first = await whole.erased(ErasureTarget(ErasureKind.TENANT))
    assert (first.state, first.problem) == (ErasureState.RUNNING, "the token cache does not answer")
    assert await whole.places(WORD) != []
    await whole.erasing.resume()
    assert (await whole.erasures.get(ACME, first.erasure_id)).state is ErasureState.RUNNING  # waits a little
    await forget_hold(whole)
    await whole.erasing.resume()
    done = await whole.erasures.get(ACME, first.erasure_id)
    assert (done.state, done.problem, done.removed["tickets"]) == (ErasureState.DONE, None, 1)
    assert await whole.places(WORD) == []


async def test_a_process_that_dies_between_records_and_their_documents_leaves_none(whole: Whole) -> None:
    """The next one finds the documents' ids with the erasure."""
    await plant_records(whole, WORD, USER)
    target = ErasureTarget(ErasureKind.CUSTOMER, subject=USER)
    records = whole.erasing._parts.records
    job = await whole.erasures.add(ACTOR, ACME, target)
    job.found = await records.find(ACME, target)
    await whole.erasures.note(job)
    await records.delete(ACME, job.found)
    await forget_hold(whole)
    await whole.erasing.resume()
    assert (await whole.erasures.get(ACME, job.erasure_id)).state is ErasureState.DONE
    assert await whole.places(WORD) == []


async def test_nothing_that_is_kept_of_an_erasure_says_whom_it_erased(whole: Whole) -> None:
    await plant_records(whole, WORD, "ann-of-erewhon")
    await whole.erase(kind="customer", user_id="ann-of-erewhon")
    assert await whole.places("ann-of-erewhon") == []
    audit = (await whole.api.http.get("/v1/audit")).json()["entries"]
    assert [entry["action"] for entry in audit] == ["erase.customer"]


async def test_the_file_keeps_no_bytes_of_what_is_deleted(whole: Whole, tmp_path: Path) -> None:
    """SQLite overwrites them. PostgreSQL keeps them until a vacuum."""
    if whole.database.dialect != "sqlite":
        return
    long = "\n\n".join(f"{WORD} {number}" for number in range(2000))
    await send(whole, "PUT", f"{DOCUMENTS}/manual", json={"content": long})
    file = tmp_path / "warmline.db"
    assert WORD.encode() in await asyncio.to_thread(file.read_bytes)
    await send(whole, "DELETE", f"{DOCUMENTS}/manual")
    for one in await asyncio.to_thread(lambda: [path for path in tmp_path.iterdir() if path.is_file()]):
        assert WORD.encode() not in await asyncio.to_thread(one.read_bytes)
