"""Plants words in the stores, as users would."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text as sql

from deployments.core.conversations import StoredTurn, segment_digest
from deployments.core.ids import DocId, Fingerprint, Scope
from tests.contract.erasure.conftest import ACME, SUPPORT_KB, Whole, an_idea

WORD = "quagmirella"
OTHER_WORD = "zanzibaretto"
DOCUMENTS = f"/v1/collections/{SUPPORT_KB}/documents"


async def send(whole: Whole, method: str, path: str, key: str = "", **more: Any) -> dict[str, Any]:
    """Calls the API, which must agree."""
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
    """A turn whose answer tells the word, from a passage of the tenant's first document or from none."""
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
        documents=found,
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


async def put_text(whole: Whole, doc_id: str, text: str) -> None:
    """Writes a document without other versions' words."""
    await send(whole, "PUT", f"{DOCUMENTS}/{doc_id}", json={"content": f"# {doc_id}\n\nIt says {text}."})


async def forget_hold(whole: Whole) -> None:
    """Lets any process go on with the erasures now."""
    async with whole.database.transaction() as connection:
        await connection.execute(sql("UPDATE erasures SET held_until_s = 0"))
