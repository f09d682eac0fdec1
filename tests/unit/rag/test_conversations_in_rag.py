"""Conversations: each prompt begins with the one before it and its answer, until something changes."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.document_labels import document_filter
from tests.unit.rag.chat import ENDED, PASSAGES, Chat
from tests.unit.rag.rig import HEAD, Rig, question


@pytest.fixture
def chat():
    """A conversation about nine passages, all of them current."""
    return Chat(Rig(PASSAGES, deltas=ENDED))


async def test_six_turns_are_one_sequence(chat):
    """Each prompt begins with the one before it and its answer, and no document is in it twice."""
    for finds in [(0, 1), (1, 2), (2, 0), (3, 4, 1), (), (5,)]:
        await chat.ask(f"Find {finds}?", finds=finds)
        if len(chat.prompts) > 1:
            assert chat.begins_with_the_one_before()
    placed = [chat.text().count(PASSAGES[number].segment) for number in range(9)]
    assert placed == [1, 1, 1, 1, 1, 1, 0, 0, 0]


found_by_turns = st.lists(st.lists(st.integers(0, 8), max_size=4, unique=True), min_size=2, max_size=6)


@settings(max_examples=40)
@given(found_by_turns, st.sets(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=2))
def test_any_conversation_is_one_sequence_until_an_edit(found, edits):
    """`edits` are documents that change before a turn. No prompt has one twice, or after its edit."""

    async def converse():
        chat, changed, since = Chat(Rig(PASSAGES, deltas=ENDED)), set[int](), set[int]()
        for turn, finds in enumerate(found):
            now = {document for at, document in edits if at == turn} - changed
            placed = [
                number for number in range(9) if chat.prompts and PASSAGES[number].segment in chat.text()
            ]
            for number in now:
                chat.change(number)
            changed |= now
            since |= now  # a turn that finds nothing may have no prompt
            prompts = len(chat.prompts)
            await chat.ask(f"Question {turn}?", finds=[number for number in finds if number not in changed])
            if len(chat.prompts) > prompts > 0:
                assert chat.begins_with_the_one_before() == since.isdisjoint(placed)
            counts = [chat.text().count(passage.segment) if chat.prompts else 0 for passage in PASSAGES]
            assert max(counts) <= 1
            if len(chat.prompts) > prompts:
                since.clear()
                assert not any(counts[number] for number in changed)

    asyncio.run(converse())


async def test_the_text_of_two_turns(chat):
    """The second has its new documents in the user's message, before the question."""
    await chat.ask("How?", finds=(0,))
    await chat.ask("And then?", finds=(0, 1))
    assert chat.text() == (
        f"{HEAD}{PASSAGES[0].segment}<|im_end|>\n<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n"
        f"Press Reset.<|im_end|>\n<|im_start|>user\nFurther documents:{PASSAGES[1].segment}\n\n"
        "Question: And then?<|im_end|>\n<|im_start|>assistant\n"
    )


async def test_a_turn_without_new_documents_is_the_question_alone(chat):
    """As the model's template has it."""
    await chat.ask("How?")
    await chat.ask("And then?")
    turn = "<|im_end|>\n<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n"
    assert chat.text() == f"{chat.text(0)}Press Reset.{turn}"


async def test_the_first_prompt_is_that_of_a_question_without_a_conversation(chat):
    """So it shares everything that others have cached."""
    alone = await chat.rig.answer(question("How?"))
    first = await chat.ask("How?", finds=range(5))
    assert alone.prompt_ids == first.prompt_ids
    assert alone.conversation is None
    assert first.conversation is not None


async def test_an_edit_cuts_at_its_document(chat):
    """What is before it stays, what comes after it is told again, and no stale answer is."""
    await chat.ask("One?", finds=(0, 1))
    await chat.ask("Two?", finds=(2, 3))
    chat.change(3)
    answer = await chat.ask("Three?", finds=(4, 0))
    assert chat.text().startswith(chat.text(0) + "Press Reset.")
    later = chat.text().removeprefix(chat.text(0) + "Press Reset.")
    assert PASSAGES[2].segment in later
    assert PASSAGES[3].segment not in later
    assert "Question: Two?\n\nThree?" in later
    assert "Press Reset." not in later
    assert answer.conversation.stale == 1
    assert answer.conversation.retold == 1
    await chat.ask("Four?", finds=(4,))
    assert chat.begins_with_the_one_before()


async def test_a_deleted_document_of_the_first_turn_leaves_only_questions(chat):
    """Every answer may repeat its text."""
    await chat.ask("One?", finds=(0, 1))
    await chat.ask("Two?", finds=(2,))
    chat.change(0)
    await chat.ask("Three?", finds=(1, 2))
    text = chat.text()
    assert PASSAGES[0].segment not in text
    assert "Press Reset." not in text
    assert "One?\n\nTwo?\n\nThree?" in text
    assert text.count(PASSAGES[1].segment) == text.count(PASSAGES[2].segment) == 1


async def test_a_source_of_an_answer_that_is_told_again_can_go_stale(chat):
    """Also where its document is no longer in the prompt."""
    await chat.ask("One?", finds=(0,))
    await chat.ask("Two?", finds=(1,), only=document_filter(None, ["doc-1"]))
    assert PASSAGES[0].segment not in chat.text()
    assert "Press Reset." in chat.text()
    chat.change(0)
    await chat.ask("Three?", finds=(1,), only=document_filter(None, ["doc-1"]))
    assert "Press Reset." not in chat.text()
    assert PASSAGES[1].segment in chat.text()


async def test_other_instructions_are_the_only_ones(chat):
    """The earlier ones are not carried over; the documents stay where they are."""
    await chat.ask("One?", instructions="Be brief.")
    await chat.ask("Two?", instructions="Be brief.")
    assert chat.begins_with_the_one_before()
    assert chat.text().count("Be brief.") == 1
    await chat.ask("Three?", instructions="Be polite.")
    assert "Be brief." not in chat.text()
    assert chat.text().startswith(HEAD + PASSAGES[0].segment + PASSAGES[1].segment + "\n\nBe polite.")
