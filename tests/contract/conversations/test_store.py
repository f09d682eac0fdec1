"""Conversations survive a restart, stay with their tenant, know changed documents, and expire."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from deployments.conversations import pruning
from deployments.conversations import store as store_module
from deployments.conversations.pruning import prune
from deployments.core.conversations import (
    KEPT_S,
    Continuation,
    Exchange,
    StoredTurn,
    Talk,
    segment_digest,
)
from deployments.core.documents import DocumentDraft
from deployments.core.errors import Conflict, InvalidRequest, KnowledgeUnavailable, NotFound
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from tests.contract.conversations.conftest import Kept, Open

ACME, OTHER = TenantId("acme"), TenantId("other")
SCOPE = Scope(ACME, CollectionName("support_kb"))


def a_turn(number: int = 0, follows: str | None = None, **changes: object) -> StoredTurn:
    turn = StoredTurn(
        tenant=ACME,
        conversation_id="conv_0",
        turn_id=f"resp_{number}",
        follows=follows,
        previous=follows,
        agent="support",
        question=f"Wie groß? {number} 🚧",
        answer="Groß\0",
        finish_reason="stop",
        documents=(),
        history=(Exchange("früher", "", (segment_digest("x"),)),),
        sources=(segment_digest("x"),),
        instructions="Be brief.",
        limited_to="",
        tokenizer=Fingerprint("f" * 64),
        asked=b"\1\0\0\0",
        answered=b"",
        prompt_tokens=12,
        cached_tokens=3,
        answer_tokens=2,
        note='{"a": 1}',
    )
    return replace(turn, **changes)  # type: ignore[arg-type]


async def converse(kept: Kept, turns: int, **changes: object) -> None:
    """Stores a conversation of `turns` turns, one after the other."""
    for number in range(turns):
        follows = f"resp_{number - 1}" if number else None
        await kept.store.add_turn(a_turn(number, follows, **changes), "ann", after_last=False)


async def resumed(kept: Kept, previous: str | None = None, tenant: TenantId = ACME) -> Talk:
    """The conversation as the next question finds it."""
    continued = Continuation("resp_new", None if previous else "conv_0", previous)
    return await kept.store.resume_conversation(tenant, "support", SCOPE.collection, continued)


async def put(kept: Kept, doc_id: str, body: str, title: str = "Export") -> str:
    """Stores a document of one passage; returns its segment's digest."""
    draft = DocumentDraft(DocId(doc_id), title, None, "text/markdown", body.encode())
    await kept.knowledge.put(SCOPE, draft)
    found = await kept.knowledge.passages_of(SCOPE, [DocId(doc_id)])
    return segment_digest(found.passages[0].segment)


async def test_a_conversation_survives_a_restart(reopen: Open) -> None:
    """With everything that was stored; PostgreSQL has no NUL, so none is stored."""
    kept = await reopen()
    await converse(kept, 3)
    await kept.close()
    kept = await reopen()
    talk = await resumed(kept)
    expected = [
        a_turn(n, f"resp_{n - 1}" if n else None, answer="Groß\ufffd", created_at_s=1000.0) for n in range(3)
    ]
    assert list(talk.turns) == expected
    assert (talk.conversation_id, talk.previous, talk.complete) == ("conv_0", "resp_2", True)
    assert await kept.store.conversation_turn(ACME, "resp_1") == expected[1]
    found = await kept.store.conversation(ACME, "conv_0")
    assert (found.user_id, found.turns, found.last_turn) == ("ann", 3, "resp_2")


async def test_a_prompt_consists_of_the_turns_that_follow_each_other(kept: Kept) -> None:
    """Not of a branch, nor of turns that a cut has replaced."""
    await converse(kept, 3)
    await kept.store.add_turn(replace(a_turn(3, "resp_0"), previous="resp_2"), None, after_last=False)
    assert [turn.turn_id for turn in (await resumed(kept)).turns] == ["resp_0", "resp_3"]
    branch = await resumed(kept, "resp_1")
    assert [turn.turn_id for turn in branch.turns] == ["resp_0", "resp_1"]


async def test_changed_and_deleted_documents_are_told(kept: Kept) -> None:
    """An edit of the text or the title, and a deletion; an equal put is no change."""
    same, edited, renamed, deleted = [
        await put(kept, name, f"The text of {name}.") for name in ("same", "edited", "renamed", "deleted")
    ]
    source = await put(kept, "source", "The text of source.")
    told = (Exchange("q", "a", (source,)),)
    documents = (same, edited, renamed, deleted)
    turn = a_turn(documents=documents, history=told, sources=(*documents, source))
    await kept.store.add_turn(turn, None, after_last=False)
    talk = await resumed(kept)
    assert talk.gone == frozenset()
    assert set(talk.texts) == set(documents)
    assert talk.texts[same].endswith("The text of same.")
    await put(kept, "same", "The text of same.")
    await put(kept, "edited", "Another text.")
    await put(kept, "renamed", "The text of renamed.", title="Import")
    await kept.knowledge.delete(SCOPE, DocId("deleted"))
    await kept.knowledge.delete(SCOPE, DocId("source"))
    assert (await resumed(kept)).gone == {edited, renamed, deleted, source}


async def test_another_tenants_conversation_is_not_found(kept: Kept) -> None:
    """Neither read, nor continued, nor deleted. Unknown ids are the same."""
    await converse(kept, 1)
    store = kept.store
    for tenant, turn, conversation in ((OTHER, "resp_0", "conv_0"), (ACME, "resp_7", "conv_7")):
        for call in (
            store.conversation_turn(tenant, turn),
            store.delete_turn(tenant, turn),
            store.conversation(tenant, conversation),
            store.delete_conversation(tenant, conversation),
            store.resume_conversation(tenant, "support", SCOPE.collection, Continuation("r", conversation)),
            store.resume_conversation(tenant, "support", SCOPE.collection, Continuation("r", None, turn)),
        ):
            with pytest.raises(NotFound):
                await call
    with pytest.raises(NotFound):
        await store.add_turn(replace(a_turn(1, "resp_0"), tenant=OTHER), None, after_last=False)
    assert await store.delete_of(OTHER, "ann") == 0
    assert (await resumed(kept)).previous == "resp_0"


async def test_a_conversation_is_with_one_agent(kept: Kept) -> None:
    await converse(kept, 1)
    with pytest.raises(InvalidRequest, match="with the agent support"):
        await kept.store.resume_conversation(ACME, "business", SCOPE.collection, Continuation("r", "conv_0"))


async def test_of_two_turns_after_the_same_last_one_is_stored(kept: Kept) -> None:
    """The other one has not seen it."""
    begun = await kept.store.create_conversation(ACME, None, {"channel": "web"})
    own = {"conversation_id": begun.conversation_id}
    turns = [a_turn(number, **own) for number in range(2)]
    calls = [kept.store.add_turn(turn, None, after_last=True) for turn in turns]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results if result] == [Conflict]
    found = await kept.store.conversation(ACME, begun.conversation_id)
    assert (found.turns, found.metadata) == (1, {"channel": "web"})


async def test_a_turn_is_stored_once(kept: Kept) -> None:
    """Chats name their turns by what was said."""
    await converse(kept, 1)
    with pytest.raises(Conflict, match="stored already"):
        await kept.store.add_turn(a_turn(conversation_id="conv_1"), None, after_last=False)
    with pytest.raises(NotFound):
        await kept.store.conversation(ACME, "conv_1")


async def test_after_a_deleted_turn_the_conversation_goes_on(kept: Kept) -> None:
    """After the turn before it, if it was the last one; else the rest is known to be incomplete."""
    await converse(kept, 3)
    await kept.store.delete_turn(ACME, "resp_2")
    assert (await resumed(kept)).previous == "resp_1"
    await kept.store.delete_turn(ACME, "resp_0")
    talk = await resumed(kept)
    assert ([turn.turn_id for turn in talk.turns], talk.complete) == (["resp_1"], False)
    assert (await kept.store.conversation(ACME, "conv_0")).turns == 1


@pytest.mark.parametrize("deleted", [(1, 2), (2, 1)])
async def test_after_two_deleted_turns_the_first_is_the_last(kept: Kept, deleted: tuple[int, ...]) -> None:
    """In whatever order they are deleted; after all three there is none."""
    await converse(kept, 3)
    for number in deleted:
        await kept.store.delete_turn(ACME, f"resp_{number}")
    assert [turn.turn_id for turn in (await resumed(kept)).turns] == ["resp_0"]
    await kept.store.delete_turn(ACME, "resp_0")
    assert (await kept.store.conversation(ACME, "conv_0")).last_turn is None


async def test_a_deleted_conversation_has_no_turns_left(kept: Kept) -> None:
    """The foreign key deletes them."""
    await converse(kept, 2)
    await kept.store.delete_conversation(ACME, "conv_0")
    with pytest.raises(NotFound):
        await kept.store.conversation_turn(ACME, "resp_0")
    await converse(kept, 1)  # the ids are free again


async def test_all_conversations_of_a_user_are_deleted(kept: Kept) -> None:
    """Those of others stay."""
    await converse(kept, 1)
    mine = await kept.store.create_conversation(ACME, "ann", {})
    others = await kept.store.create_conversation(ACME, "ben", {})
    assert await kept.store.delete_of(ACME, "ann") == 2
    with pytest.raises(NotFound):
        await kept.store.conversation(ACME, mine.conversation_id)
    assert (await kept.store.conversation(ACME, others.conversation_id)).user_id == "ben"


async def test_a_conversation_expires_after_its_last_turn(kept: Kept) -> None:
    """It can't be read then; a later turn of anybody deletes its row."""
    await converse(kept, 1)
    kept.clock.pass_s(KEPT_S - 1)
    await kept.store.add_turn(a_turn(1, "resp_0"), None, after_last=False)
    kept.clock.pass_s(KEPT_S - 1)
    assert (await resumed(kept)).previous == "resp_1"
    kept.clock.pass_s(2)
    with pytest.raises(NotFound):
        await resumed(kept)
    with pytest.raises(NotFound):
        await kept.store.conversation_turn(ACME, "resp_1")
    async with kept.database.transaction() as connection:
        await prune(connection, OTHER, kept.clock())
    await converse(kept, 1)  # the ids are free again


async def test_a_tenant_keeps_its_latest_conversations(kept: Kept) -> None:
    """As many, and as many bytes, as the limits allow; another tenant's are not counted."""
    for number in range(4):
        kept.clock.pass_s(1)
        turn = replace(a_turn(number), conversation_id=f"conv_{number}", question="x" * 1000)
        await kept.store.add_turn(turn, None, after_last=False)
    await kept.store.create_conversation(OTHER, None, {})
    for limits, left in (({"max_conversations": 3}, "123"), ({"max_bytes": 2500}, "23")):
        async with kept.database.transaction() as connection:
            await prune(connection, ACME, kept.clock(), **limits)
        for number in range(4):
            if str(number) in left:
                assert (await kept.store.conversation(ACME, f"conv_{number}")).turns == 1
            else:
                with pytest.raises(NotFound):
                    await kept.store.conversation(ACME, f"conv_{number}")


@pytest.mark.parametrize("limits", [{"max_conversations": 3}, {"max_bytes": 3 * 105}])
async def test_conversations_without_turns_are_pruned_too(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any]
) -> None:
    """Their metadata counts, and one pruning deletes all that are too many."""
    monkeypatch.setattr(store_module, "prune", partial(prune, **limits))
    monkeypatch.setattr(pruning, "BATCH", 10)
    names = []
    for _ in range(store_module._PRUNED_EVERY + 1):
        kept.clock.pass_s(1)
        made = await kept.store.create_conversation(ACME, None, {"label": "x" * 100})
        names.append(made.conversation_id)
    for name in names[:-3]:
        with pytest.raises(NotFound):
            await kept.store.conversation(ACME, name)
    for name in names[-3:]:
        await kept.store.conversation(ACME, name)  # raises NotFound if it was deleted


async def test_a_turn_is_stored_though_pruning_fails(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one makes up for it."""

    async def fail(*_: object) -> None:
        raise KnowledgeUnavailable("two replicas have deleted the same")

    monkeypatch.setattr(store_module, "prune", fail)
    await converse(kept, 1)
    assert (await resumed(kept)).previous == "resp_0"


async def test_a_conversation_has_a_limit_of_turns(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Branches count too."""
    monkeypatch.setattr(store_module, "MAX_TURNS", 2)
    await converse(kept, 2)
    with pytest.raises(Conflict, match="the limit is 2"):
        await resumed(kept)
