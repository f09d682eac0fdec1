"""How many documents a prompt has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.errors import PromptTooLong


@dataclass(frozen=True, slots=True)
class Budget:
    """What limits a prompt's documents, in tokens."""

    max_model_len: int
    """The model's limit for prompt and answer together."""
    max_context: int
    """The agent's limit for all documents together."""
    max_answer: int
    """Reserved for the answer."""
    fixed: int
    """The prompt without its documents."""

    @property
    def for_documents(self) -> int:
        """Tokens left for documents. Raises PromptTooLong when the rest alone does not fit."""
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

    `sizes` are their tokens, in rank order. Whole documents are dropped, the lowest rank first: a
    smaller one never takes the place of a larger, more relevant one.
    """
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > room:
            return count
    return len(sizes)
