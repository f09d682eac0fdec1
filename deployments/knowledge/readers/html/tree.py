"""What the passes over a page share: how they drop an element, and how they read one.

No pass takes an element out of the tree, since that costs time in proportion to the number of siblings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bs4 import Tag
from bs4.element import NavigableString, PreformattedString


def names(text: str) -> frozenset[str]:
    """A set of the words of a text."""
    return frozenset(text.split())


HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
BLOCKS = HEADINGS | names(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset"
    " figcaption figure footer form header hgroup legend li main menu nav ol p pre search section"
    " summary table tbody td tfoot th thead tr ul"
)
"""Elements that start on a line of their own."""
DROPPED = frozenset({"dropped", "dropped-block"})
"""Names of dropped elements. The one of blocks separates the words around it."""


def depth(root: Tag) -> int:
    """How many elements are inside each other at most."""
    deepest = 0
    level = [root]
    while level:
        deepest += 1
        level = [child for tag in level for child in tag.contents if isinstance(child, Tag)]
    return deepest


def drop(tag: Tag) -> None:
    """Makes an element, with all that it holds, invisible to `visible` and to the writer."""
    tag.name = "dropped-block" if tag.name in BLOCKS else "dropped"


def attribute(tag: Tag, name: str) -> str:
    """The value of an attribute, or ""."""
    value: Any = tag.get(name)
    return " ".join(value) if isinstance(value, list) else value or ""


def words_of(value: str) -> set[str]:
    """The words of a class or id, in lower case: `TableOfContents toc-list` has table, of, contents, ..."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", value)}


def tokens_of(value: str) -> set[str]:
    """The whole names of a class, in lower case: `card-footer Wide` has card-footer and wide."""
    return set(value.lower().split())


def visible(root: Tag) -> Iterator[Tag | NavigableString]:
    """All elements and texts inside `root`, in order, except dropped ones."""
    stack = list(reversed(root.contents))
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            if node.name not in DROPPED:
                yield node
            if node.name not in DROPPED:  # the caller may have dropped it
                stack.extend(reversed(node.contents))
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            yield node


def tags(root: Tag, *names: str) -> list[Tag]:
    """All elements of these names inside `root`, in order, except dropped ones."""
    return [node for node in visible(root) if isinstance(node, Tag) and node.name in names]


def rows_of(table: Tag) -> list[Tag]:
    """The rows of a table, in order, without those of tables inside it."""
    rows: list[Tag] = []
    stack = list(reversed(table.contents))
    while stack:
        node = stack.pop()
        if not isinstance(node, Tag) or node.name in DROPPED or node.name == "table":
            continue
        if node.name == "tr":
            rows.append(node)
        else:
            stack.extend(reversed(node.contents))
    return rows


def text_of(root: Tag) -> str:
    """The visible text, runs of blanks replaced by one."""
    pieces = (
        str(node) if not isinstance(node, Tag) else " " if node.name in BLOCKS or node.name == "br" else ""
        for node in visible(root)
    )
    return " ".join("".join(pieces).split())
