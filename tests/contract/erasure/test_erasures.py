"""A word that is planted in every store, as a user would, is nowhere after an erasure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql

from deployments.core.conversations import StoredTurn, segment_digest
from deployments.core.erasure import ErasureKind, ErasureState, ErasureTarget
from deployments.core.errors import CacheUnavailable, Conflict
from deployments.core.ids import DocId, Fingerprint, Scope, TenantId
from deployments.retrieval import held_leases
from deployments.retrieval.forgetting import FORGET_AFTER_S
from tests.contract.erasure.conftest import ACME, ACTOR, SUPPORT_KB, Whole, an_idea

WORD = "quagmirella"
OTHER_WORD = "zanzibaretto"
USER = "annabellina"
DOCUMENTS = f"/v1/collections/{SUPPORT_KB}/documents"


async def send(whole: Whole, method: str, path: str, key: str = "", **more: Any) -> dict[str, Any]:
    headers = {"idempotency-key": key} if key else {}
    answer = await whole.api.http.request(method, path, headers=headers, **more)
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def plant_document(whole: Whole, word: str, doc_id: str = "manual") -> None:
    """A document with two versions, which has been asked for."""
    for version in ("first", "second"):
        body = {
            "title": f"The {word} manual",
            "content": f"# {word}\n\nThe {version} text of {word} \u00e9.",
            "asked_as": [f"what is {word}"],
            "url": f"https://example.com/{word}",
            "metadata": {"product": word},
        }
        await send(whole, "PUT", f"{DOCUMENTS}/{doc_id}", json=body)
    await whole.agent.ask(ACME, f"What is {word}?")


async def plant_records(whole: Whole, word: str, user: str) -> None:
    """A resolved ticket that memory has, a template and an idea of a user."""
    ticket = {"user_id": user, "issue_description": f"My {word} is broken"}
    made = await send(whole, "POST", "/v1/support/tickets", f"ticket-of-{user}", json=ticket)
    path = f"/v1/support/tickets/{made['ticket_id']}"
    await send(whole, "POST", f"{path}/responses", json={"response": f"Shake the {word}"})
    await send(whole, "POST", f"{path}/resolution", json={"solution": f"Shook the {word}"})
    template = {
        "business_type": "saas",
        "template_data": {"name": word, "summary": f"{word} does something."},
        "success_metrics": {"success_score": 0.9},
        "user_id": user,
    }
    await send(whole, "POST", "/v1/business/templates", f"template-of-{user}", json=template)
    await whole.business.put_idea(ACME, an_idea(word, user), None)


async def plant_conversation(whole: Whole, word: str, user: str | None = None, said: str = "") -> None:
    """A turn whose answer tells the word, from an earlier turn's passage or from none."""
    passages = await whole.knowledge.passages_of(Scope(ACME, SUPPORT_KB), [DocId(said)]) if said else None
    found = tuple(segment_digest(one.segment) for one in passages.passages) if passages else ()
    turn = StoredTurn(
        tenant=ACME,
        conversation_id=f"conv_{word}{user}",
        turn_id=f"resp_{word}{user}",
        follows=None,
        previous=None,
        agent="support",
        question="What does it say?",
        answer=f"It says {word}.",
        finish_reason="stop",
        documents=(),
        history=(),
        sources=found,
        instructions="",
        limited_to="",
        tokenizer=Fingerprint("words"),
        asked=b"",
        answered=b"",
        prompt_tokens=1,
        cached_tokens=0,
        answer_tokens=1,
        note="",
    )
    erasures = await whole.conversations.conversation_erasures(ACME)
    await whole.conversations.add_turn(turn, user, after_last=False, erasures=erasures)


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
    await _forget_hold(whole)
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
    await _forget_hold(whole)
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


async def _forget_hold(whole: Whole) -> None:
    async with whole.database.transaction() as connection:
        await connection.execute(sql("UPDATE erasures SET held_until_s = 0"))
