"""How many documents a prompt has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.errors import PromptTooLong


@dataclass(frozen=True, slots=True)
class Budget:
    """A prompt's room, all in tokens. `fixed` is everything but the documents."""

    max_model_len: int
    max_context: int
    max_answer: int
    fixed: int

    @property
    def for_documents(self) -> int:
        """Room for documents. Raises PromptTooLong when the rest alone does not fit."""
        room = self.max_model_len - self.max_answer - self.fixed
        if room < 0:
            raise PromptTooLong(
                f"the question takes {-room} tokens too many: {self.fixed} of prompt and "
                f"{self.max_answer} of answer exceed the model's {self.max_model_len}",
                "query",
            )
        return min(room, self.max_context)


def kept(sizes: Sequence[int], room: int) -> int:
    """How many of the best documents fit into `room` tokens.

    `sizes` is in rank order. Whole documents are dropped from the lowest rank up, so what is kept is
    always the best ones and never a smaller, less relevant one instead of a larger.
    """
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > room:
            return count
    return len(sizes)
