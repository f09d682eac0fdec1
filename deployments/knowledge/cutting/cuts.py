"""What it costs to cut a document at a place: the more a passage loses its sense there, the more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """A place where a text may be cut, before something."""

    rank: int
    """0 before a section of level 1, 5 before one of level 6, BLOCK_RANK before a block, SENTENCE_RANK
    within one. What is between two cuts of one rank belongs together more than what is around a cut of a
    lower rank."""
    cost: float
    """What a cut here costs: see `deployments.knowledge.passages`, which minimises the sum."""


BLOCK_RANK = 6
SENTENCE_RANK = 7

SENTENCE = Cut(SENTENCE_RANK, 8)
CODE_LINE = Cut(SENTENCE_RANK, 8)
BLANK_CODE_LINE = Cut(SENTENCE_RANK, 6)
CLAUSE = Cut(SENTENCE_RANK, 30)
"""Within a sentence, between words."""
WORD = Cut(SENTENCE_RANK, 100)
FENCE = Cut(SENTENCE_RANK, 100)
"""Between a fence and the code next to it."""
AFTER_HEADING = Cut(SENTENCE_RANK, 40)
INTRODUCED = Cut(SENTENCE_RANK, 25)
"""After a sentence that ends in a colon."""


def before_section(level: int) -> Cut:
    """The cut before a heading of level 1 to 6."""
    return Cut(level - 1, 0.5 * level)


def before_block(depth: int, *, illustrates: bool = False) -> Cut:
    """The cut before a paragraph, list item, table row and so on.

    `depth` is the number of lists and quotes around it. `illustrates` is true for a list, table or code
    after a paragraph, which often explains it.
    """
    return Cut(BLOCK_RANK, (8 if illustrates else 4) + 2 * depth)
