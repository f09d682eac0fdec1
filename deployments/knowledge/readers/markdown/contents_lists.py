"""Finds lists of contents, whose links repeat the headings of their own page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise, zip_longest
from urllib.parse import unquote

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from deployments.knowledge.cutting.outline import BLOCKS
from deployments.knowledge.readers.markdown.prose import Prose

_MARK = re.compile(
    r"^[ \t]*(?:(?:[-*+]|1\.)[ \t]+TOC[ \t]*\n[ \t]*)?"
    r"(?:\[\[_?toc_?\]\]|@?\[toc\](?:\([^()\n]*\))?|\$\{toc\}|\{:[ \t]*toc[ \t]*\})[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_LINK = re.compile(
    r"\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]"
    r"\(<?#([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)>?(?:\s+\"[^\"\n]*\")?\)"
)
_NAMED = re.compile(r"""\{\s*#([\w:.-]++)[^{}\n]*+\}|\b(?:id|name)\s*=\s*["']?([\w:.-]+)""")
_BRACES = re.compile(r"\{[^{}\n]*\}")
_ADDRESS = re.compile(r"\]\([^()\n]*\)|<[^<>\n]*>")
_NUMBERED = re.compile(r"-\d+\Z")
_TITLE = re.compile(
    r"(?:table of )?contents|toc|on this page|in this (?:article|page|document)", re.IGNORECASE
)
_LEAST_LINKS = 2


def remove_contents_lists(prose: Prose) -> None:
    """Removes marks such as `[TOC]`, lists that consist of links to the text's headings, and their titles.

    A text that has nothing else stays.
    """
    whole = prose.text, prose.mask
    prose.remove(_MARK)
    if prose.mask.count("](#") >= _LEAST_LINKS:
        _remove_lists(prose)
    if not prose.text.strip():
        prose.text, prose.mask = whole


def _remove_lists(prose: Prose) -> None:
    starts = [0, *accumulate(len(line) + 1 for line in prose.text.split("\n"))]
    tokens = BLOCKS.parse(prose.text)
    lists = _found(SyntaxTreeNode(tokens).children, frozenset(_anchors(tokens)))
    prose.edit((starts[first], min(starts[last], len(prose.text)), ()) for first, last in lists)


def _anchors(tokens: list[Token]) -> Iterator[str]:
    """Yields the anchors of all headings: those that a site generator makes, and those that they state."""
    for opening, heading in pairwise(tokens):
        if opening.type == "heading_open":
            stated = (braces or html for braces, html in _NAMED.findall(heading.content))
            made = _ADDRESS.sub("", _BRACES.sub("", heading.content))
            yield from filter(None, map(_comparable, (*stated, made)))


def _comparable(anchor: str) -> str:
    """Letters and digits only: site generators differ in how they write all else."""
    return re.sub(r"[\W_]+", "", anchor).casefold()


def _found(nodes: list[SyntaxTreeNode], anchors: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yields the first line, and the line after the last one, of each list with the heading above it."""
    before = None
    for node, after in zip_longest(nodes, nodes[1:]):
        if node.map is not None and _is_contents_list(node, anchors):
            ends = after is None or after.type == "heading"
            titled = before is not None and before.type in ("heading", "paragraph")
            if before is not None and before.map and titled and ends and _TITLE.fullmatch(_words(before)):
                yield before.map
            yield node.map
        before = node


def _is_contents_list(node: SyntaxTreeNode, anchors: frozenset[str]) -> bool:
    if node.type not in ("bullet_list", "ordered_list", "paragraph"):
        return False
    texts = [inline.content for inline in node.walk() if inline.type == "inline"]
    links = [unquote(anchor) for text in texts for anchor in _LINK.findall(text)]
    if len(links) < _LEAST_LINKS or any(re.search(r"\w", _LINK.sub("", text)) for text in texts):
        return False
    # A heading that is not the first one of its text has a number: `usage-1`.
    return all(
        not {_comparable(link), _comparable(_NUMBERED.sub("", link))}.isdisjoint(anchors) for link in links
    )


def _words(node: SyntaxTreeNode) -> str:
    return node.children[0].content.strip("*_: ") if node.children else ""
