"""Finds the heads and feet that repeat on a document's pages, and page numbers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployments.knowledge.readers.page_lines import Line, Page

_EDGE_LINES = 3
"""Lines at each end of a page that may be its head or foot."""
_EDGE = 0.15
"""Heads and feet are that close to an end of the page, in page heights."""
_SAME_PLACE = 0.01
"""In page heights."""
_ENOUGH_SHARE = 0.4
"""Share of the pages that have a running line: left and right pages may have different ones."""
_ENOUGH_PAGES = 4
"""So many pages suffice, whatever their share: heads may change with the chapter."""
_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|seite|pagina|página|pág|strona|sida|side|стр|s|p)\b\W*)?\d{1,4}"
    r"(?:\s*(?:/|\||of|von|de|di|sur|z|van|av|из)\s*\d{1,4})?\W*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Edge:
    """A line that may be a running one."""

    page: int
    at: int
    """Its place among the page's lines."""
    line: Line
    is_foot: bool
    center: float
    """In page heights."""

    @property
    def pattern(self) -> str:
        """Its text, whatever its numbers are."""
        return _NUMBER.sub("#", self.line.text.casefold())


def without_running_lines(pages: Sequence[Page], body_height: float) -> tuple[list[Page], list[str]]:
    """Returns the pages without heads, feet and page numbers; and the texts of these, each once.

    A line is one of them if it stands at the same place of most pages, no larger than the text. Those
    whose numbers count the pages are not among the texts.
    """
    groups: dict[tuple[str, bool], list[_Edge]] = defaultdict(list)
    for edge in _edges(pages):
        if edge.line.height <= 1.1 * body_height:
            groups[edge.pattern, edge.is_foot].append(edge)
    dropped: dict[int, set[int]] = defaultdict(set)
    kept: dict[str, None] = {}
    for group in groups.values():
        edges = _at_one_place(group)
        if not _repeats(edges, len(pages)):
            continue
        for edge in edges:
            dropped[edge.page].add(edge.at)
        texts = {edge.line.text for edge in edges}
        if len(texts) == 1 and not _PAGE_NUMBER.fullmatch(edges[0].line.text):
            kept |= dict.fromkeys(texts)
    return [page.without(dropped[number]) for number, page in enumerate(pages)], list(kept)


def _edges(pages: Sequence[Page]) -> Iterator[_Edge]:
    for number, page in enumerate(pages):
        down = sorted(range(len(page.lines)), key=lambda at: page.lines[at].center)
        for is_foot, edge in ((False, down[:_EDGE_LINES]), (True, down[-_EDGE_LINES:])):
            for at in edge:
                line = page.lines[at]
                place = line.center / page.height
                if (place > 1 - _EDGE if is_foot else place < _EDGE) and not _starts_table(page.lines, at):
                    yield _Edge(number, at, line, is_foot, place)


def _starts_table(lines: Sequence[Line], at: int) -> bool:
    """Whether the next line has as many cells: a table that goes on repeats its header."""
    cells = len(lines[at].cells)
    return cells > 1 and at + 1 < len(lines) and len(lines[at + 1].cells) == cells


def _at_one_place(edges: Sequence[_Edge]) -> list[_Edge]:
    """Those at the commonest height, at most one a page."""
    common = Counter(round(edge.center / _SAME_PLACE) for edge in edges).most_common(1)[0][0]
    near = (edge for edge in edges if abs(edge.center / _SAME_PLACE - common) <= 1.5)
    return list({edge.page: edge for edge in near}.values())


def _repeats(edges: Sequence[_Edge], pages: int) -> bool:
    if len(edges) < max(2, min(_ENOUGH_PAGES, _ENOUGH_SHARE * pages)):
        return False
    if len({edge.line.text for edge in edges}) == 1:
        return True
    first = edges[0]
    # A heading may count as well: "Step 1" on the first page, "Step 2" on the second.
    return _count_pages(edges) and (first.is_foot or not first.line.bold)


def _count_pages(edges: Sequence[_Edge]) -> bool:
    """Whether one of the numbers in a line grows with the pages, and the others stay."""
    columns = zip(
        *([int(number[:9]) for number in _NUMBER.findall(edge.line.text)] for edge in edges), strict=True
    )
    steps = ({number - edge.page for number, edge in zip(column, edges, strict=True)} for column in columns)
    return any(len(found) == 1 for found in steps)
