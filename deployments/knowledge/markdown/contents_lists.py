"""Finds lists of contents, whose links repeat the headings of their own page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, zip_longest

from markdown_it.tree import SyntaxTreeNode

from deployments.knowledge.markdown.outline import BLOCKS
from deployments.knowledge.markdown.prose import Prose

_MARK = re.compile(
    r"^[ \t]*(?:(?:[-*+]|1\.)[ \t]+TOC[ \t]*\n[ \t]*)?"
    r"(?:\[\[_?toc_?\]\]|@?\[toc\](?:\([^()\n]*\))?|\$\{toc\}|\{:[ \t]*toc[ \t]*\})[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_LINK = re.compile(
    r"\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]\(<?#[^()\s]*(?:\([^()\s]*\)[^()\s]*)*>?(?:\s+\"[^\"\n]*\")?\)"
)
_TITLE = re.compile(
    r"(?:table of )?contents|toc|on this page|in this (?:article|page|document)", re.IGNORECASE
)
_LEAST_LINKS = 2


def remove_contents_lists(prose: Prose) -> None:
    """Removes marks such as `[TOC]`, lists that consist of links to the same page, and their headings."""
    prose.remove(_MARK)
    if prose.mask.count("](#") < _LEAST_LINKS:
        return
    starts = [0, *accumulate(len(line) + 1 for line in prose.text.split("\n"))]
    nodes = SyntaxTreeNode(BLOCKS.parse(prose.text)).children
    prose.edit((starts[first], min(starts[last], len(prose.text)), ()) for first, last in _found(nodes))


def _found(nodes: list[SyntaxTreeNode]) -> Iterator[tuple[int, int]]:
    """Yields the first line, and the line after the last one, of each list with the heading above it."""
    before = None
    for node, after in zip_longest(nodes, nodes[1:]):
        if node.map is not None and _is_contents_list(node):
            ends = after is None or after.type == "heading"
            titled = before is not None and before.type in ("heading", "paragraph")
            if before is not None and before.map and titled and ends and _TITLE.fullmatch(_words(before)):
                yield before.map
            yield node.map
        before = node


def _is_contents_list(node: SyntaxTreeNode) -> bool:
    if node.type not in ("bullet_list", "ordered_list", "paragraph"):
        return False
    texts = [inline.content for inline in node.walk() if inline.type == "inline"]
    links = sum(len(_LINK.findall(text)) for text in texts)
    return links >= _LEAST_LINKS and not any(re.search(r"\w", _LINK.sub("", text)) for text in texts)


def _words(node: SyntaxTreeNode) -> str:
    return node.children[0].content.strip("*_: ") if node.children else ""
