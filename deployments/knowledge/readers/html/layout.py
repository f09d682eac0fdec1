"""Undoes tables that only arrange a page, and disclosures, so that their parts are plain blocks."""

from __future__ import annotations

from bs4 import Tag

from deployments.knowledge.readers.html.tree import HEADINGS, attribute, rows_of, tags

_BLOCKS = ("pre", "table", "blockquote", *sorted(HEADINGS))
"""Elements that don't fit into one line of a Markdown table."""
_PARTS = frozenset({"thead", "tbody", "tfoot", "tr", "td", "th", "caption"})


def flatten_layout(root: Tag) -> None:
    """Makes a block of each cell of a table that only arranges a page, and of each summary."""
    for table in reversed(tags(root, "table")):
        if _is_layout(table):
            _undo(table)
    for summary in tags(root, "summary"):
        summary.name = "div" if summary.find([*HEADINGS]) is not None else "summary"


def _is_layout(table: Tag) -> bool:
    """Whether a table arranges blocks. One with column names is data, and its blocks are lines then."""
    if attribute(table, "role") in ("presentation", "none"):
        return True
    if table.find(["th", "caption", "thead"]) is not None:
        return False
    rows = rows_of(table)
    return len(rows) == 1 or table.find(_BLOCKS) is not None


def _undo(table: Tag) -> None:
    table.name = "div"
    stack = [child for child in table.contents if isinstance(child, Tag)]
    while stack:
        tag = stack.pop()
        if tag.name in _PARTS:
            tag.name = "div"
            stack.extend(child for child in tag.contents if isinstance(child, Tag))
