"""A few documents as token ids, and prompts made of them, small enough to try every order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, permutations

from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import SegmentId, Step, ids_segment
from deployments.core.token_ids import TokenIds, join, token_ids

BLOCK = 4
HEADS = 2
DOCUMENTS = 5


@dataclass(frozen=True)
class Prompt:
    """One tenant's prompt: how it is laid out, and the hashes of its full blocks."""

    salt: str
    steps: tuple[Step, ...]
    hashes: tuple[int, ...]
    tokens: int

    @property
    def partial(self) -> bool:
        """Whether a block was begun that did not become full."""
        return self.tokens % BLOCK > 0


@dataclass
class Library:
    """Heads and documents of the given lengths in tokens.

    Each has tokens of its own, or, where `alike`, all documents begin with the same ones.
    """

    head_tokens: Sequence[int]
    document_tokens: Sequence[int]
    alike: bool = False
    _questions: count[int] = field(default_factory=count)

    def head(self, number: int) -> TokenIds:
        """The head of an agent's prompts."""
        return token_ids(range(1000 * (number + 1), 1000 * (number + 1) + self.head_tokens[number]))

    def document(self, number: int) -> TokenIds:
        """A document."""
        first = 10_000 if self.alike else 10_000 + 100 * number
        tokens = self.document_tokens[number]
        return token_ids([*range(first, first + tokens - 1), 20_000 + number])

    def head_segment(self, number: int) -> SegmentId:
        """Its name."""
        return ids_segment(self.head(number))

    def segment(self, number: int) -> SegmentId:
        """Its name. A content address in production, which `ids_segment` is as well."""
        return ids_segment(self.document(number))

    def prompt(self, salt: str, head: int, documents: Sequence[int], question_tokens: int = 3) -> Prompt:
        """A prompt with a question that was never asked before."""
        parts = [self.head(head), *map(self.document, documents)]
        names = [self.head_segment(head), *map(self.segment, documents)]
        asked = 1_000_000 + 50 * next(self._questions)
        ids = join([*parts, token_ids(range(asked, asked + question_tokens))])
        steps = tuple(Step(name, len(part)) for name, part in zip(names, parts, strict=True))
        return Prompt(salt, steps, tuple(block_hashes(ids, BLOCK, salt)), len(ids))

    def prompts_in_every_order(self, salt: str, head: int, documents: Sequence[int]) -> list[Prompt]:
        """One for each order of the documents."""
        return [self.prompt(salt, head, order) for order in permutations(documents)]
