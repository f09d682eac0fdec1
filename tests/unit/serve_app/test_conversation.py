"""OpenAI's messages are split into instructions, turns and question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.limits import MAX_QUERY_CHARS
from deployments.core.messages import Turn
from serve_app.conversation import Conversation, conversation_of
from serve_app.http.openai_messages import ChatMessage

NAMES = {"s": "system", "d": "developer", "u": "user", "a": "assistant"}


def messages(roles):
    """A message for each letter; its content is its position."""
    return [
        ChatMessage.model_validate({"role": NAMES[role], "content": f"m{n}"}) for n, role in enumerate(roles)
    ]


@pytest.mark.parametrize(
    ("roles", "taken"),
    [
        ("u", Conversation("", (), "m0")),
        ("su", Conversation("m0", (), "m1")),
        ("sdu", Conversation("m0\n\nm1", (), "m2")),
        ("suauau", Conversation("m0", (Turn("m1", "m2"), Turn("m3", "m4")), "m5")),
    ],
)
def test_each_message_has_its_place(roles, taken):
    """Instructions, pairs of earlier messages, and the last one as the question."""
    assert conversation_of(messages(roles)) == taken


@pytest.mark.parametrize(
    ("roles", "culprit"),
    [("a", 0), ("s", 0), ("ua", 1), ("uu", 1), ("uaa", 2), ("usu", 1), ("uasu", 2), ("suuau", 2), ("au", 0)],
)
def test_a_message_out_of_turn_is_named(roles, culprit):
    """The error names the first message that is out of turn; none is reordered, merged or left out."""
    with pytest.raises(InvalidRequest) as refused:
        conversation_of(messages(roles))
    assert refused.value.param == "messages"
    assert f"messages[{culprit}] " in refused.value.message


@given(st.text("sdua", min_size=1, max_size=8))
def test_nothing_is_lost(roles):
    """An accepted conversation has every message's content, once and in order."""
    sent = messages(roles)
    try:
        taken = conversation_of(sent)
    except InvalidRequest:
        return
    turns = [text for turn in taken.history for text in (turn.user, turn.assistant)]
    instructions = taken.instructions.split("\n\n") if taken.instructions else []
    assert [*instructions, *turns, taken.question] == [message.content for message in sent]


@pytest.mark.parametrize("text", ["", " \n", "x" * (MAX_QUERY_CHARS + 1)])
def test_the_question_must_be_one(text):
    """The question is a search query and has its limits; earlier messages may be empty or long."""
    with pytest.raises(InvalidRequest, match=r"messages\[0\]"):
        conversation_of([ChatMessage(role="user", content=text)])
    earlier = [ChatMessage(role="user", content=text), ChatMessage(role="assistant", content="")]
    assert conversation_of([*earlier, *messages("u")]).history == (Turn(text, ""),)
