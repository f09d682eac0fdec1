"""OpenAI's messages are split into instructions, turns and question, whatever their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.limits import MAX_QUERY_CHARS
from deployments.core.messages import Turn
from serve_app.conversation import Conversation, conversation_of
from serve_app.http.openai_messages import ChatMessage

NAMES = {"s": "system", "d": "developer", "u": "user", "a": "assistant", "t": "tool"}


def said(role, content):
    return ChatMessage.model_validate({"role": role, "content": content})


def messages(roles):
    """A message for each letter; its content is its position."""
    return [said(NAMES[role], f"m{n}") for n, role in enumerate(roles)]


@pytest.mark.parametrize(
    ("roles", "taken"),
    [
        ("u", Conversation("", (), "m0")),
        ("su", Conversation("m0", (), "m1")),
        ("sdu", Conversation("m0\n\nm1", (), "m2")),
        ("suauau", Conversation("m0", (Turn("m1", "m2"), Turn("m3", "m4")), "m5")),
        ("uu", Conversation("", (Turn("m0", ""),), "m1")),
        ("uuu", Conversation("", (Turn("m0\n\nm1", ""),), "m2")),
        ("uuau", Conversation("", (Turn("m0\n\nm1", "m2"),), "m3")),
        ("uaau", Conversation("", (Turn("m0", "m1\n\nm2"),), "m3")),
        ("au", Conversation("", (Turn("", "m0"),), "m1")),
        ("uasu", Conversation("m2", (Turn("m0", "m1"),), "m3")),
        ("us", Conversation("m1", (), "m0")),
        ("ua", Conversation("", (), "m0", "m1")),
        ("uaa", Conversation("", (), "m0", "m1\n\nm2")),
    ],
)
def test_each_message_has_its_place(roles, taken):
    """Instructions, turns of joined messages, the last one as the question, the answer's beginning."""
    assert conversation_of(messages(roles)) == taken


@given(st.text("sduat", min_size=1, max_size=8))
def test_nothing_is_lost(roles):
    """A conversation has every message's content once, those of each side in order."""
    sent = messages(roles)
    try:
        taken = conversation_of(sent)
    except InvalidRequest:
        assert not {"u", "t"} & set(roles)
        return
    said = [text for turn in taken.history for text in (turn.user, turn.assistant)]
    said = [*said, taken.question, taken.answer_start]
    found = [part.removeprefix("Result of a tool:\n") for text in said if text for part in text.split("\n\n")]
    assert found == [message.content for message in sent if message.role not in {"system", "developer"}]
    instructions = taken.instructions.split("\n\n") if taken.instructions else []
    assert instructions == [message.content for message in sent if message.role in {"system", "developer"}]


@given(st.text("sduat", min_size=1, max_size=8), st.integers(0, 8))
def test_messages_without_text_change_nothing(roles, place):
    """An answer that was cancelled, or that only called tools, has no text."""
    sent = messages(roles)
    empty = said("assistant", None)
    try:
        expected = conversation_of(sent)
    except InvalidRequest:
        return
    assert conversation_of([*sent[:place], empty, *sent[place:]]) == expected


def test_results_of_tools_are_named_text_of_the_user():
    """The name is the called function's, or the message's own."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_plan", "arguments": "{}"}}
    sent = [
        {"role": "user", "content": "Which plan do I have?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Team"},
        {"role": "function", "name": "get_seats", "content": "25"},
        {"role": "assistant", "content": "The Team plan, with 25 seats."},
        {"role": "user", "content": "Thanks. And Business?"},
    ]
    taken = conversation_of([ChatMessage.model_validate(message) for message in sent])
    (turn,) = taken.history
    assert turn.user == "Which plan do I have?\n\nResult of get_plan:\nTeam\n\nResult of get_seats:\n25"


@pytest.mark.parametrize("roles", ["a", "s", "sa"])
def test_a_user_must_ask(roles):
    """The agent needs a question to search for."""
    with pytest.raises(InvalidRequest, match="must be the user's"):
        conversation_of(messages(roles))


@pytest.mark.parametrize("text", ["", " \n"])
def test_the_question_has_a_text(text):
    """Messages of blanks are no question."""
    with pytest.raises(InvalidRequest, match="must be the user's"):
        conversation_of([said("user", text)])


def test_a_long_question_is_refused_by_place_and_a_long_message_before_it_is_not():
    """Only the question is a search query."""
    long = said("user", "x" * (MAX_QUERY_CHARS + 1))
    with pytest.raises(InvalidRequest, match=r"messages\[1\].*8001 characters") as refused:
        conversation_of([*messages("u"), long])
    assert refused.value.param == "messages"
    assert conversation_of([long, *messages("u")]).history == (Turn(long.content, ""),)
