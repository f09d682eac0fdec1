"""A Markdown text to edit everywhere except in its code.

The mask is as long as the text and has the same characters, but a lone surrogate, which no text contains,
for each character of code and of comments. A pattern that is searched for in the mask can't match in code.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

SPAN = "\ud800"
"""The mark of code in a line."""
BLOCK = "\ud801"
"""The mark of lines of code, with their line ends except for the last one."""
COMMENT = "\ud802"
CODE = SPAN + BLOCK
"""What a pattern must not match in order to leave code alone."""
_FENCE = re.compile(r"([ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)\n?")
_COMMENT_START = re.compile(r" {0,3}<!--")
_PARAGRAPH = re.compile(rf"(?:[^\n{BLOCK}{COMMENT}]+\n?)+")
_BACKTICKS = re.compile(r"\\`|`+")

Piece = str | tuple[int, int]
"""A new text, or the range of the text as it is."""
Replacement = Callable[[Callable[[int], str], Callable[[int], tuple[int, int]]], Sequence[Piece]]
"""Is called for a match with two functions, which return the text and the range of a group."""


class Prose:
    """A text with its mask. Each edit changes both."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mask = _mask(text)

    def protect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Masks ranges of the text as code."""
        mask: list[str] = []
        last = 0
        for start, end in ranges:
            mask += (self.mask[last:start], _masked(self.text[start:end], BLOCK))
            last = end
        self.mask = "".join((*mask, self.mask[last:]))

    def is_alone(self, start: int, end: int) -> bool:
        """Whether the lines of text[start:end] contain nothing else."""
        line_start, line_end = self.text.rfind("\n", 0, start) + 1, self.text.find("\n", end)
        before, after = self.text[line_start:start], self.text[end : line_end if line_end >= 0 else None]
        return not before.strip() and not after.strip()

    def replace(self, pattern: re.Pattern[str], replacement: Replacement) -> None:
        """Replaces what a pattern matches in the mask by pieces."""

        def edited(match: re.Match[str]) -> tuple[int, int, Sequence[Piece]]:
            pieces = replacement(lambda group: self.text[slice(*match.span(group))], match.span)
            return *match.span(), pieces

        self.edit(map(edited, pattern.finditer(self.mask)))

    def remove(self, pattern: re.Pattern[str]) -> None:
        """Removes what a pattern matches in the mask."""
        self.edit((match.start(), match.end(), ()) for match in pattern.finditer(self.mask))

    def edit(self, edits: Iterable[tuple[int, int, Sequence[Piece]]]) -> None:
        """Replaces text[start:end] by pieces, for each (start, end, pieces), in order of the text."""
        text: list[str] = []
        mask: list[str] = []
        last = 0
        for start, end, pieces in edits:
            for piece in ((last, start), *pieces):
                if isinstance(piece, str):
                    text.append(piece)
                    mask.append(piece)
                else:
                    text.append(self.text[slice(*piece)])
                    mask.append(self.mask[slice(*piece)])
            last = end
        if last:
            self.text, self.mask = "".join((*text, self.text[last:])), "".join((*mask, self.mask[last:]))


def _mask(text: str) -> str:
    masked: list[str] = []
    last = 0
    for start, end, mark in _code_and_comments(text):
        masked += (text[last:start], _masked(text[start:end], mark))
        last = end
    blocks = "".join((*masked, text[last:]))
    return _PARAGRAPH.sub(lambda paragraph: _without_spans(paragraph[0]), blocks)


def _masked(code: str, mark: str) -> str:
    end = len(code) - code.endswith("\n")
    return mark * end + code[end:]


def _code_and_comments(text: str) -> Iterator[tuple[int, int, str]]:
    """Yields start, end and mark of each fenced block and of each comment that starts a line.

    A fence is one in a list, in a quote, and in HTML too, where CommonMark sees HTML and authors see code.
    """
    offset = 0
    comments = True
    while offset < len(text):
        if comments and _COMMENT_START.match(text, offset):
            end = text.find("-->", offset) + 3
            if end > 2:
                yield offset, end, COMMENT
                offset = _line_end(text, end)
                continue
            comments = False
        fence = _FENCE.match(text, offset)
        end = _line_end(text, offset)
        if fence is not None:
            end = _fence_end(text, end, fence[2] or fence[3], ">" in fence[1])
            yield offset, end, BLOCK
        offset = end


def _fence_end(text: str, offset: int, mark: str, quoted: bool) -> int:
    closing = re.compile(rf"[ \t>]*+{re.escape(mark)}{mark[0]}*[ \t]*(?:\n|\Z)")
    while offset < len(text):
        end = _line_end(text, offset)
        if closing.match(text, offset):
            return end
        if quoted and not text[offset:end].lstrip().startswith(">"):
            return offset
        offset = end
    return offset


def _line_end(text: str, offset: int) -> int:
    return text.find("\n", offset) + 1 or len(text)


def _without_spans(paragraph: str) -> str:
    """Masks the code spans of a paragraph: from a run of backticks to the next one of the same length."""
    if "`" not in paragraph:
        return paragraph
    runs = [match.span() for match in _BACKTICKS.finditer(paragraph) if match[0][0] == "`"]
    by_length: dict[int, deque[int]] = defaultdict(deque)
    for start, end in runs:
        by_length[end - start].append(start)
    masked: list[str] = []
    last = 0
    for start, end in runs:
        same = by_length[end - start]
        while same and same[0] <= start:
            same.popleft()
        if start >= last and same:
            stop = same[0] + end - start
            masked += (paragraph[last:start], SPAN * (stop - start))
            last = stop
    return "".join((*masked, paragraph[last:]))
