"""Turns of conversations: their room, what they find, what is stored of them, and who may continue them."""

from dataclasses import replace

import pytest

from deployments.core.conversations import Continuation
from deployments.core.errors import Conflict, KnowledgeUnavailable, NotFound
from deployments.core.ids import TenantId
from deployments.core.messages import Turn
from deployments.core.reuse.paths import unpack_steps
from deployments.core.sampling import Sampling
from deployments.core.token_ids import from_bytes
from tests.unit.rag.chat import ENDED, PASSAGES, Chat
from tests.unit.rag.rig import ANSWER, SCOPE, SPEC, Rig, delta, question


@pytest.fixture
def chat():
    """A conversation about nine passages, all of them current."""
    return Chat(Rig(PASSAGES, deltas=ENDED))


async def test_over_budget_the_oldest_turns_are_dropped():
    """The prompt begins again; the ledger says how many turns are missing."""
    chat = Chat(Rig(PASSAGES, deltas=ENDED, max_model_len=420))
    sampling = Sampling(50, 0.0)
    for number in range(8):
        answer = await chat.ask(f"Question {number}?", finds=(number,), sampling=sampling)
        assert answer.reuse.prompt_tokens <= 370
        assert PASSAGES[number].segment in chat.text()
    dropped = [answer.conversation.dropped for answer in chat.answers]
    assert any(dropped)
    assert answer.reuse.dropped == ()


@pytest.mark.parametrize("max_model_len", range(390, 440, 5))
async def test_earlier_turns_make_room_for_all_documents_of_the_question(max_model_len):
    """None is dropped that a prompt without a conversation would have."""
    chat = Chat(Rig(PASSAGES, deltas=ENDED, max_model_len=max_model_len))
    for number in range(4):
        answer = await chat.ask(f"Question {number}?", finds=(2 * number, 2 * number + 1))
        assert answer.reuse.dropped == ()
        assert [citation.doc_id for citation in answer.citations] == [f"doc-{n}" for n in chat.found]


async def test_the_documents_of_all_turns_have_a_limit_of_their_own():
    """Four times that of one prompt, however much the model takes."""
    tokens = len(PASSAGES[0].segment)
    chat = Chat(Rig(PASSAGES, deltas=ENDED, spec=replace(SPEC, max_context_tokens=tokens)))
    for number in range(8):
        answer = await chat.ask(finds=(number,))
        assert answer.context_tokens <= 4 * tokens
    assert [len(answer.conversation.turn_tokens) for answer in chat.answers] == [0, 1, 2, 3, 0, 1, 2, 3]


async def test_a_question_that_finds_nothing_is_answered_from_the_conversation(chat):
    """Thanks, or a question about the last answer, has no documents of its own."""
    await chat.ask("How?")
    answer = await chat.ask("Say it shorter", finds=())
    assert answer.text == "Press Reset."
    assert chat.begins_with_the_one_before()


async def test_a_conversation_that_has_found_nothing_yet_goes_on(chat):
    """Without documents there is no prompt, but the words are kept."""
    first = await chat.ask("Hello", finds=())
    assert (first.text, first.prompt_ids) == (SPEC.no_context, b"")
    await chat.ask("How?", finds=(0,))
    assert "Hello<|im_end|>\n<|im_start|>assistant\nI don't know.<|im_end|>" in chat.text()


@pytest.mark.parametrize("tokens_each", [20, 300])
async def test_turns_that_find_nothing_are_as_long_as_a_prompt_at_most(tokens_each):
    """Other instructions each time tell all earlier turns again; what does not fit is dropped."""
    chat = Chat(Rig(PASSAGES, deltas=ENDED, max_model_len=420))
    for number in range(20):
        text = f"{number:03}".ljust(tokens_each, "x")
        answer = await chat.ask(text, finds=(), instructions=f"Be {number}.")
        turn = chat.rig.conversations.turns[SCOPE.tenant, f"resp_{number}"]
        assert answer.text == SPEC.no_context
        assert len(from_bytes(turn.asked)) <= 420
        assert sum(len(one.question) + len(one.answer) for one in turn.history) <= 420
    assert any(answer.conversation.dropped for answer in chat.answers)


async def test_the_search_knows_the_earlier_questions(chat):
    """As with a history that the caller sends."""
    await chat.ask("How do I reset the invoice export?")
    await chat.ask("And then?")
    assert chat.rig.retriever.queries[-1].talk == ("How do I reset the invoice export?",)


async def test_a_history_of_the_callers_own_is_told_in_its_turn(chat):
    """And stays there."""
    await chat.ask("Then?", history=(Turn("Hi", "Hello"),))
    assert "user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>" in chat.text()
    await chat.ask("And?")
    assert chat.begins_with_the_one_before()
    assert chat.text().count("Hello") == 1


async def test_a_branch_continues_after_an_earlier_turn(chat):
    """Another question after the first answer does not see the second."""
    await chat.ask("One?")
    await chat.ask("Two?")
    await chat.ask("Other?", previous="resp_0")
    assert chat.text().startswith(chat.text(0) + "Press Reset.")
    assert "Two?" not in chat.text()


async def test_a_deleted_turn_makes_the_rest_begin_again(chat):
    """It is not in the prompt any more."""
    await chat.ask("One?")
    await chat.ask("Two?")
    await chat.rig.conversations.delete_turn(SCOPE.tenant, "resp_0")
    await chat.ask("Three?")
    assert "One?" not in chat.text()
    assert "Two?<|im_end|>\n<|im_start|>assistant\nPress Reset." in chat.text()


async def test_an_answer_from_a_deleted_turns_document_is_not_told_when_that_changes(chat):
    """Its own turn has not added the document."""
    await chat.ask("One?", finds=(0,))
    await chat.ask("Two?", finds=(0,))
    await chat.rig.conversations.delete_turn(SCOPE.tenant, "resp_0")
    chat.change(0)
    answer = await chat.ask("Three?", finds=(1,))
    assert "Press Reset." not in chat.text()
    assert answer.conversation.stale == 1


async def test_the_ledger_counts_what_is_in_the_prompt(chat):
    """Documents of earlier turns too. The earlier turns' tokens are those of their prompt and answer."""
    first = await chat.ask("One?", finds=(0, 1))
    second = await chat.ask("Two?", finds=(1, 2))
    assert (first.reuse.segments, second.reuse.segments) == (2, 3)
    assert [citation.doc_id for citation in second.citations] == ["doc-1", "doc-2"]
    use = second.conversation
    assert use.turn_tokens == (len(chat.prompts[0]) + len("Press Reset."),)
    assert (use.retold, use.stale, use.dropped, use.stored) == (0, 0, 0, True)
    assert second.context_tokens == sum(len(PASSAGES[n].segment) for n in (0, 1, 2))


async def test_the_layout_names_every_segment(chat):
    """So that replicas know the conversation's own path; the last segment is the question."""
    await chat.ask("One?", finds=(0,))
    await chat.ask("Two?", finds=(1,))
    first, second = (unpack_steps(request.layout) for request in chat.rig.generator.requests)
    assert second[: len(first)] == first
    assert sum(step.tokens for step in second) == len(chat.prompts[1])


async def test_what_is_not_to_be_stored_is_not(chat):
    """It can continue a conversation all the same."""
    await chat.ask("One?")
    answer = await chat.ask("Two?", continues=Continuation("resp_9", previous="resp_0", store=False))
    assert chat.begins_with_the_one_before()
    assert answer.conversation.stored is False
    assert set(chat.rig.conversations.turns) == {(SCOPE.tenant, "resp_0")}


async def test_a_stored_turn_has_its_user_and_note(chat):
    """Its conversation is named after it."""
    await chat.ask("One?")
    turn = chat.rig.conversations.turns[SCOPE.tenant, "resp_0"]
    assert (turn.question, turn.answer, turn.note) == ("One?", "Press Reset.", "n")
    assert chat.rig.conversations.conversations[SCOPE.tenant, "conv_0"].user_id == "ann"


async def test_a_turn_is_stored_before_the_answer_is_complete(chat):
    """An answer that was not stored is none."""
    chat.rig.conversations.fault = KnowledgeUnavailable("the database is down")
    with pytest.raises(KnowledgeUnavailable):
        await chat.ask("One?")


async def test_another_tenants_turn_is_not_found(chat):
    """By its id, or by its conversation's."""
    await chat.ask("One?")
    scope = replace(SCOPE, tenant=TenantId("other"))
    for continued in (Continuation("r", previous="resp_0"), Continuation("r", "conv_0")):
        with pytest.raises(NotFound):
            await chat.rig.answer(question("Two?", scope=scope, continues=continued))


async def test_of_two_questions_at_once_in_a_conversation_one_is_refused(chat, monkeypatch):
    """Otherwise the second would be answered without the first."""
    await chat.ask("One?")
    held = chat.rig.conversations
    resume = held.resume_conversation

    async def resume_late(*arguments):
        talk = await resume(*arguments)
        key = (SCOPE.tenant, "conv_0")
        held.conversations[key] = replace(held.conversations[key], last_turn="resp_7")
        return talk

    monkeypatch.setattr(held, "resume_conversation", resume_late)
    with pytest.raises(Conflict):
        await chat.ask("Two?", continues=Continuation("resp_1", "conv_0"))


async def test_only_the_shown_part_of_a_sampled_answer_is_repeated():
    """A stop string ended it."""
    rig = Rig(PASSAGES, deltas=[replace(delta("Press Reset. STOP"), text="Press Reset."), *ANSWER[2:]])
    chat = Chat(rig)
    await chat.ask("One?")
    await chat.ask("Two?")
    assert "STOP" not in chat.text()
    assert chat.begins_with_the_one_before()
