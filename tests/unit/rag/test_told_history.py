"""A chat whose caller tells all of it with each question continues the prompt that the words belong to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.conversations import Continuation, segment_digest
from deployments.core.errors import KnowledgeUnavailable
from deployments.core.ids import Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Turn
from deployments.core.token_ids import from_bytes
from deployments.rag.told_history import id_after, told_id
from tests.unit.rag.chat import ENDED, PASSAGES
from tests.unit.rag.rig import SCOPE, Rig, question

ANSWER = "Press Reset."


class Caller:
    """Keeps what was said, and sends it back with each question."""

    def __init__(self, rig: Rig, user: str = "ann") -> None:
        self.rig = rig
        self.user = user
        self.history: tuple[Turn, ...] = ()
        self.asked = 0

    async def ask(self, text: str, *, finds: int = 0, **changes: object) -> Answer:
        self.rig.retriever.passages = (PASSAGES[finds],)
        self.asked += 1
        continued = Continuation(f"resp_{self.user}{self.asked}", user_id=self.user, told=True)
        asked = question(text, history=self.history, continues=continued)
        answer = await self.rig.answer(replace(asked, **changes))  # type: ignore[arg-type]
        self.history = (*self.history, Turn(text, answer.text))
        return answer

    def prompt(self, answer: Answer) -> str:
        return self.rig.encoder.decode(from_bytes(answer.prompt_ids))


@pytest.fixture
def caller() -> Caller:
    return Caller(Rig(PASSAGES, deltas=ENDED))


async def test_each_prompt_begins_with_the_one_before_and_its_answer(caller: Caller) -> None:
    first = await caller.ask("How?")
    second = await caller.ask("And then?", finds=1)
    third = await caller.ask("Why?", finds=0)
    assert caller.prompt(second).startswith(caller.prompt(first) + ANSWER)
    assert caller.prompt(third).startswith(caller.prompt(second) + ANSWER)
    assert caller.prompt(third).count(PASSAGES[0].segment) == 1
    uses = [answer.conversation for answer in (first, second, third)]
    assert [use.stored for use in uses if use] == [True] * 3
    assert len({use.conversation_id for use in uses if use}) == 1


async def test_the_search_knows_the_earlier_questions(caller: Caller) -> None:
    await caller.ask("How do I reset the invoice export?")
    await caller.ask("And then?")
    assert caller.rig.retriever.queries[-1].talk == ("How do I reset the invoice export?",)


@pytest.mark.parametrize(
    "changes",
    [
        {"history": (Turn("How?", "Press nothing."),)},
        {"history": (Turn("How? ", ANSWER), Turn("x", ""))},
        {"instructions": "Be short."},
        {"section": "accounts"},
        {"scope": Scope(TenantId("other"), SCOPE.collection)},
    ],
)
async def test_other_words_or_another_asker_find_nothing(caller: Caller, changes: dict[str, object]) -> None:
    """The history is told as text, after the documents."""
    await caller.ask("How?")
    answer = await caller.ask("And then?", finds=1, **changes)
    prompt = caller.prompt(answer)
    assert PASSAGES[0].segment not in prompt
    assert prompt.index(PASSAGES[1].segment) < prompt.index("How?")
    assert answer.conversation is not None
    assert answer.conversation.turn_tokens == ()


async def test_a_changed_document_ends_it(caller: Caller) -> None:
    """What the caller tells then is text of the caller's."""
    await caller.ask("How?")
    caller.rig.conversations.segments.clear()
    answer = await caller.ask("And then?", finds=1)
    assert PASSAGES[0].segment not in caller.prompt(answer)
    assert "How?" in caller.prompt(answer)
    assert answer.conversation is not None
    stored = await caller.rig.conversations.conversation_turn(SCOPE.tenant, answer.conversation.turn_id)
    assert segment_digest(PASSAGES[0].segment) in stored.sources, "an erasure of it must find the turn"


async def test_another_user_with_the_same_words_has_a_conversation_of_their_own(caller: Caller) -> None:
    """Each is erased with its user."""
    other = Caller(caller.rig, "bob")
    answers = [await caller.ask("How?"), await other.ask("How?")]
    answers += [await caller.ask("Why?"), await other.ask("Why?")]
    uses = [answer.conversation for answer in answers if answer.conversation]
    assert [use.stored for use in uses] == [True] * 4
    assert len({use.conversation_id for use in uses}) == 2


async def test_the_same_words_again_are_answered_but_stored_once(caller: Caller) -> None:
    await caller.ask("How?")
    caller.history = ()
    again = await caller.ask("How?")
    assert (again.text, again.conversation and again.conversation.stored) == (ANSWER, False)
    assert len(caller.rig.conversations.turns) == 1


async def test_a_store_that_fails_costs_no_answer(caller: Caller) -> None:
    caller.rig.conversations.fault = KnowledgeUnavailable("the database is away")
    answer = await caller.ask("How?")
    assert (answer.text, answer.conversation and answer.conversation.stored) == (ANSWER, False)


async def test_the_ledger_names_the_stored_turn(caller: Caller) -> None:
    answer = await caller.ask("How?")
    assert answer.conversation is not None
    stored = await caller.rig.conversations.conversation_turn(SCOPE.tenant, answer.conversation.turn_id)
    assert (stored.question, stored.answer) == ("How?", ANSWER)


turns = st.lists(st.builds(Turn, st.text(max_size=5), st.text(max_size=5)), max_size=3)


@given(turns, turns, st.text(max_size=3), st.text(max_size=3))
def test_only_the_same_words_have_the_same_id(
    some: list[Turn], others: list[Turn], agent: str, other_agent: str
) -> None:
    def said(history: list[Turn]) -> list[tuple[str, str]]:
        return [(turn.user.strip(), turn.assistant.strip()) for turn in history]

    one = told_id(agent, question(history=tuple(some)))
    other = told_id(other_agent, question(history=tuple(others)))
    assert (one == other) == ((agent, said(some)) == (other_agent, said(others)))
    further = told_id(agent, question(history=(*some, Turn(" q", "a "))))
    assert further == id_after(one, "q", "a")
    assert len(further) <= 64, "the database's limit"
