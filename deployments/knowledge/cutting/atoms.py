"""The smallest parts of a document: sentences, lines of code, table rows. Passages consist of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from deployments.knowledge.cutting import cuts
from deployments.knowledge.cutting.cuts import BLOCK_RANK, Cut
from deployments.knowledge.cutting.outline import Block, BlockKind
from deployments.knowledge.cutting.sentences import line_starts, middle, sentence_starts


@dataclass(frozen=True, slots=True)
class Atom:
    """A part of a text that ends where the next one starts."""

    start: int
    tokens: int
    """Its tokens, if it is measured alone."""
    cut: Cut
    """The cut before it."""


def atoms(
    text: str, blocks: tuple[Block, ...], count_tokens: Callable[[str], int], most: int, least: int
) -> list[Atom]:
    """Takes the blocks of a text apart.

    An atom has at most `most` tokens, if characters are not longer. Neighbours within a section that have
    at most `least` tokens together are one atom, so that there are not too many.
    """
    fitting = _Fitting(text, count_tokens, most)
    found: list[Atom] = []
    for block, end in zip(blocks, chain((b.start for b in blocks[1:]), [len(text)]), strict=True):
        for part in _parts(text, block, end):
            for atom in fitting.atoms(*part):
                if found and atom.cut.rank >= BLOCK_RANK and found[-1].tokens + atom.tokens <= least:
                    found[-1] = replace(found[-1], tokens=found[-1].tokens + atom.tokens)
                else:
                    found.append(atom)
    return found


def _parts(text: str, block: Block, end: int) -> Iterator[tuple[int, int, Cut]]:
    """Yields start, end and the cut before each sentence or line of a block."""
    code = block.kind is not BlockKind.PROSE
    starts = [block.start, *(line_starts if code else sentence_starts)(text, block.start, end)]
    last = len(starts) - 1
    for index, (start, stop) in enumerate(zip(starts, [*starts[1:], end], strict=True)):
        if index == 0:
            cut = block.cut
        elif not code:
            cut = cuts.SENTENCE
        elif block.kind is BlockKind.FENCED_CODE and index in (1, last):
            cut = cuts.FENCE
        else:
            blank = not text[start:stop].strip()
            cut = cuts.BLANK_CODE_LINE if blank else cuts.CODE_LINE
        yield start, stop, cut


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Measures parts of a text, and cuts those that have more than `most` tokens."""

    text: str
    count_tokens: Callable[[str], int]
    most: int

    def atoms(self, start: int, end: int, cut: Cut) -> Iterator[Atom]:
        tokens = self.count_tokens(self.text[start:end])
        if tokens <= self.most or end - start < 2:
            yield Atom(start, tokens, cut)
            return
        half = middle(self.text, start, end)
        yield from self.atoms(start, half, cut)
        yield from self.atoms(half, end, cuts.CLAUSE if self.text[half - 1].isspace() else cuts.WORD)
