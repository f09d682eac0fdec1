"""A conversation with a `TokenCachedRAG` over fakes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from deployments.core.conversations import Continuation, segment_digest
from deployments.core.ledger import Answer
from deployments.core.token_ids import TokenIds, from_bytes, token_ids
from tests.fakes import a_passage
from tests.unit.rag.rig import ANSWER, Rig, question

PASSAGES = [a_passage(number) for number in range(9)]
END = token_ids([0x110001]).tobytes()
ENDED = (*ANSWER[:2], replace(ANSWER[2], ids=END))
"""An answer that ends with the id that ends a turn."""


class Chat:
    """A conversation with the service of `rig`. `prompts` has the ids of each."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.prompts: list[TokenIds] = []
        self.answers: list[Any] = []
        self.found: tuple[int, ...] = ()

    async def ask(
        self,
        text: str = "How?",
        *,
        finds: Iterable[int] = (0, 1),
        previous: str | None = None,
        **changes: Any,
    ) -> Answer:
        """Asks a question for which these passages are found; returns the answer."""
        self.found = tuple(finds)
        self.rig.retriever.passages = tuple(PASSAGES[number] for number in finds)
        number = len(self.answers)
        last = f"resp_{number - 1}" if number else None
        continued = Continuation(f"resp_{number}", previous=previous or last, user_id="ann", note="n")
        asked = question(text, **{"continues": continued, **changes})
        answer = await self.rig.answer(asked)
        self.answers.append(answer)
        if answer.prompt_ids:
            self.prompts.append(from_bytes(answer.prompt_ids))
        return answer

    def text(self, number: int = -1) -> str:
        """A prompt's text."""
        return self.rig.encoder.decode(self.prompts[number])

    def begins_with_the_one_before(self) -> bool:
        """Whether the last prompt begins with the prompt and the answer before it."""
        earlier = self.text(-2) + "Press Reset."
        return self.text().startswith(earlier)

    def change(self, number: int) -> None:
        """Changes the document of a passage."""
        self.rig.conversations.segments.pop(segment_digest(PASSAGES[number].segment))
