"""Finds headings, tables and front matter in a Markdown text, by character offset.

A CommonMark parser finds them, so that a `#` inside fenced code is not taken for a heading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from markdown_it import MarkdownIt

_BLOCKS = MarkdownIt("commonmark").enable("table")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])


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
class Table:
    """A table, whose rows are text[rows_start:end]."""

    rows_start: int
    end: int
    header: str
    """The first two lines of the table, without the last line end."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Headings and tables of the top level, in order; those inside lists and quotes are left out."""

    headings: tuple[Heading, ...]
    tables: tuple[Table, ...]


def outline(text: str) -> Outline:
    """Parses a text, whose line ends must be `\\n`."""
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    starts[-1] = len(text)
    headings: list[Heading] = []
    tables: list[Table] = []
    tokens = _BLOCKS.parse(text)
    for index, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        first, last = token.map
        if token.type == "heading_open":
            name = " ".join(tokens[index + 1].content.split())
            headings.append(Heading(starts[first], starts[last], int(token.tag[1]), name))
        elif token.type == "table_open":
            header = "\n".join(lines[first : first + 2])
            tables.append(Table(starts[first + 2], starts[last], header))
    return Outline(tuple(headings), tuple(tables))


_FRONT_MATTER = re.compile(
    r"---[ \t]*\n((?:[A-Za-z_][\w-]*:[^\n]*\n(?:[ \t]*-[ \t][^\n]*\n)*)+)---[ \t]*(?:\n|\Z)"
)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The metadata at the start of a Markdown file."""

    values: Mapping[str, str] = field(default_factory=dict)
    """The text after the colon of each key; may be empty."""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The items of each key with a list."""


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """Splits leading `key: value` lines, between two `---` lines, from the text after them.

    A key may be followed by lines of the form `- item`. A text without front matter is returned whole.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        return FrontMatter(), text
    values: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    key = ""
    for line in match[1].splitlines():
        if line.lstrip().startswith("-"):
            lists.setdefault(key, []).append(_unquoted(line.lstrip()[1:].strip()))
        else:
            key, _, value = line.partition(":")
            values[key] = _unquoted(value.strip())
    return FrontMatter(values, {name: tuple(items) for name, items in lists.items()}), text[match.end() :]


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
