"""Chooses the earlier questions of a conversation with which a question is searched for."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.core.documents import normalised
from deployments.core.messages import Turn
from deployments.core.words import content_words

MAX_QUESTIONS = 6
"""Earlier questions that are looked at."""
MAX_CHARS = 400
"""The rest of an earlier question is ignored: it is embedded again for each new question."""
_ENOUGH_QUESTIONS = 3
_TELLING_WORDS = 2
"""Content words from which a question tells its topic; "and then?" has none."""
_COMPLETE_WORDS = 12
"""Content words from which a question is searched for alone, at no cost."""


def talk_of(question: str, history: Sequence[Turn]) -> tuple[str, ...]:
    """The earlier questions to search with, oldest first; () if the question is long enough alone.

    These are the last ones, back to the third that tells its topic. Answers are left out: a wrong one
    would lead the search away, and with the last answer 59 of 75 follow-ups found their article first,
    without it 63 (`tests.bench.studies.follow_ups`).
    """
    if not history or len(content_words(question)) >= _COMPLETE_WORDS:
        return ()
    chosen: list[str] = []
    telling = 0
    for turn in reversed(history[-MAX_QUESTIONS:]):
        earlier = normalised(turn.user[: 4 * MAX_CHARS])[:MAX_CHARS]
        chosen.append(earlier)
        telling += len(content_words(earlier)) >= _TELLING_WORDS
        if telling == _ENOUGH_QUESTIONS:
            break
    return tuple(filter(None, reversed(chosen)))
