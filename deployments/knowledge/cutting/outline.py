"""Finds the structure of a Markdown text, by character offset: headings, blocks, and what parts repeat.

A CommonMark parser finds it, so that a `#` inside fenced code is not taken for a heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from deployments.knowledge.cutting import cuts
from deployments.knowledge.cutting.cuts import Cut
from deployments.knowledge.cutting.sentences import last_sentence

BLOCKS = MarkdownIt("commonmark").enable("table")
"""Parses blocks, and leaves what is inside a line as it is."""
BLOCKS.core.ruler.enableOnly(["normalize", "block"])


_MAX_EARLIER_CHARS = 200
"""Of the first paragraphs of a list's earlier items, which the parts of a later item repeat."""
_INDENTED = re.compile(r"^(?: {4}|[> ]*\t)", re.MULTILINE)


class BlockKind(Enum):
    """What a block consists of."""

    PROSE = auto()
    """Sentences."""
    CODE = auto()
    """Lines."""
    FENCED_CODE = auto()
    """Lines, the first of which is a fence, and the last one if it is closed."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, at text[start:end]."""

    start: int
    end: int
    level: int
    """1 to 6."""
    text: str
    """The heading without its marks, runs of blanks replaced by one."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, table row, piece of code, and so on. It ends where the next one starts."""

    start: int
    cut: Cut
    """The cut before it."""
    kind: BlockKind


@dataclass(frozen=True, slots=True)
class Frame:
    """What the parts of something repeat, if it is cut at an offset in start <= offset < end."""

    start: int
    end: int
    opening: str
    """The text to put before what follows the cut: a table's header, a fence, the sentence that
    introduces a list. Ends with a line end."""
    closing: str = ""
    """The text to put after what precedes the cut: the end of a fence."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The structure of a text."""

    headings: tuple[Heading, ...]
    """Headings of the top level, in order; those inside lists and quotes are left out."""
    blocks: tuple[Block, ...]
    """In order. The first one starts at 0, and no two start at one offset."""
    frames: tuple[Frame, ...]
    """Ordered by start; one that is inside another one comes after it."""


def outline(text: str) -> Outline:
    """Parses a text, whose line ends must be `\\n`."""
    return _Reader(text).outline()


def code_lines(text: str) -> Iterator[tuple[int, int]]:
    """Yields the ranges of indented code, in order."""
    if not _INDENTED.search(text):
        return
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    for token in BLOCKS.parse(text):
        if token.type == "code_block" and token.map is not None:
            first, last = token.map
            yield starts[first], min(starts[last], len(text))


class _Reader:
    """Reads the parser's tree of one text, from first to last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        self._starts[-1] = len(text)
        self._headings: list[Heading] = []
        self._blocks: dict[int, Block] = {}
        self._frames: list[Frame] = []

    def outline(self) -> Outline:
        self._add(0, cuts.before_section(1))
        self._read_all(SyntaxTreeNode(BLOCKS.parse(self._text)).children, 0)
        frames = sorted(self._frames, key=lambda frame: (frame.start, -frame.end))
        return Outline(tuple(self._headings), tuple(self._blocks.values()), tuple(frames))

    def _read_all(self, nodes: list[SyntaxTreeNode], depth: int) -> None:
        """Reads siblings inside `depth` lists and quotes."""
        for before, node in zip((None, *nodes), nodes, strict=False):
            if node.map is not None:
                self._read(before, node, depth)

    def _read(self, before: SyntaxTreeNode | None, node: SyntaxTreeNode, depth: int) -> None:
        introduction = _introduction(before)
        start, end = self._span(node)
        if introduction and node.type not in ("paragraph", "heading"):
            self._frames.append(Frame(start, end, f"{introduction}\n\n"))
        cut = _cut_between(before, node, depth, introduction)
        if node.type in ("fence", "code_block"):
            self._read_code(node, cut)
            return
        self._add(start, cut)
        if node.type == "heading" and depth == 0:
            name = " ".join(_content(node).split())
            self._headings.append(Heading(start, end, int(node.tag[1]), name))
        elif node.type in ("bullet_list", "ordered_list"):
            self._read_list(node, depth, introduced=bool(introduction))
        elif node.type == "blockquote":
            self._read_all(node.children, depth + 1)
        elif node.type == "table":
            self._read_table(node, depth)

    def _read_list(self, node: SyntaxTreeNode, depth: int, *, introduced: bool) -> None:
        earlier = ""
        for item in node.children:
            start, end = self._span(item)
            self._add(start, cuts.before_block(depth))
            if introduced and 0 < len(earlier) <= _MAX_EARLIER_CHARS:
                # "Run one of these:" needs all of them, also where each has a long explanation.
                self._frames.append(Frame(start, end, earlier))
            self._read_all(item.children, depth + 1)
            if len(item.children) > 1 and item.children[0].type == "paragraph":
                second = self._span(item.children[1])[0]
                self._frames.append(Frame(second, end, self._text[start:second].rstrip() + "\n\n"))
                earlier += self._text[start:second].rstrip() + "\n"

    def _read_code(self, node: SyntaxTreeNode, cut: Cut) -> None:
        start, end = self._span(node)
        fenced = node.type == "fence"
        self._add(start, cut, BlockKind.FENCED_CODE if fenced else BlockKind.CODE)
        if fenced:
            first, last = node.map or (0, 0)
            # A quote's mark is kept, a list item's is not: the code is not another item.
            margin = re.sub(r"[^>\s]", " ", self._lines[first].partition(node.markup)[0])
            opening = f"{margin}{node.markup}{node.info}\n"
            inside = self._starts[min(first + 1, last)]
            self._frames.append(Frame(inside, end, opening, f"\n{margin}{node.markup}"))

    def _read_table(self, node: SyntaxTreeNode, depth: int) -> None:
        first, last = node.map or (0, 0)
        head = self._lines[first : first + 2]
        rows = first + 2
        if rows < last and not _has_words(head[0]):
            # Converters write an empty header where a table has none: its first row is one.
            head[0] = self._lines[rows]
            rows += 1
        for row in range(rows, last):
            self._add(self._starts[row], cuts.before_block(depth + 1))
        self._frames.append(Frame(self._starts[rows], self._starts[last], "\n".join(head) + "\n"))

    def _add(self, start: int, cut: Cut, kind: BlockKind = BlockKind.PROSE) -> None:
        """Adds a block. The outermost one that starts at an offset comes first and decides the cut."""
        known = self._blocks.get(start)
        if known is None:
            self._blocks[start] = Block(start, cut, kind)
        elif kind is not BlockKind.PROSE:
            self._blocks[start] = Block(start, known.cut, kind)

    def _span(self, node: SyntaxTreeNode) -> tuple[int, int]:
        first, last = node.map or (0, 0)
        return self._starts[first], self._starts[last]


def _cut_between(before: SyntaxTreeNode | None, node: SyntaxTreeNode, depth: int, introduction: str) -> Cut:
    if before is not None and before.type == "heading":
        return cuts.AFTER_HEADING
    if introduction:
        return cuts.INTRODUCED
    if node.type == "heading" and depth == 0:
        return cuts.before_section(int(node.tag[1]))
    illustrates = before is not None and before.type == "paragraph" and node.type in _ILLUSTRATIONS
    return cuts.before_block(depth, illustrates=illustrates)


_ILLUSTRATIONS = frozenset(("bullet_list", "ordered_list", "fence", "code_block", "table"))


def _introduction(before: SyntaxTreeNode | None) -> str:
    """The sentence of a paragraph that introduces what follows it; "" if it does not."""
    if before is None or before.type != "paragraph":
        return ""
    content = _content(before).rstrip()
    return last_sentence(content) if content.rstrip("*_ ").endswith((":", "：")) else ""  # noqa: RUF001


def _content(node: SyntaxTreeNode) -> str:
    return node.children[0].content if node.children else ""


def _has_words(row: str) -> bool:
    return bool(row.strip("| \t"))
