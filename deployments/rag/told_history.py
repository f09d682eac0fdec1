"""Names a turn by all that was said up to it, so that a caller finds it by telling the same words.

Callers of a chat send the whole history with each question, and name no conversation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from hashlib import sha256

from deployments.core.conversations import Limit, Talk
from deployments.core.messages import Question, Turn

_ID_CHARS = 48
"""192 bits: nobody finds two texts with the same digest."""


def told_id(agent: str, question: Question) -> str:
    """The id of the turn that a question's history ends with, whether or not one is stored.

    Differs for other agents, instructions and limits of the search: their prompts do not continue each other.
    Differs for other users, too: a turn belongs to its user, and is erased with it.
    """
    user_id = question.continues.user_id if question.continues else None
    limit = Limit(question.section, question.only).digest()
    begun = _id(agent, user_id or "", question.instructions.strip(), limit)
    return reduce(lambda told, turn: id_after(told, turn.user, turn.assistant), question.history, begun)


def id_after(told: str, question: str, answer: str) -> str:
    """The id of a turn. `told` is that of the turn before it."""
    return _id(told, question.strip(), answer.strip())


def tells(talk: Talk, history: Sequence[Turn]) -> bool:
    """Whether a conversation consists of just these words."""
    said = [(one.question.strip(), one.answer.strip()) for one in talk.exchanges()]
    told = [(turn.user.strip(), turn.assistant.strip()) for turn in history]
    return talk.complete and said == told


def _id(*parts: str) -> str:
    # json, because it tells ("a", "b") from ("ab", "") and takes half a character (a lone surrogate)
    return f"chat_{sha256(json.dumps(parts).encode()).hexdigest()[:_ID_CHARS]}"
