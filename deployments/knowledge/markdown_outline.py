"""Where a Markdown text has its headings and tables, by character offset.

Parsed by CommonMark's rules, so that a `#` inside fenced code is no heading.
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
    """A heading of `level` 1-6 that stands at text[start:end]."""

    start: int
    end: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are text[rows_start:end]; `header` is its first two lines."""

    rows_start: int
    end: int
    header: str


@dataclass(frozen=True, slots=True)
class Outline:
    """Headings and tables of the outermost level, in order; those in lists and quotes are content."""

    headings: tuple[Heading, ...]
    tables: tuple[Table, ...]


def outline(text: str) -> Outline:
    """The outline of a text whose line ends are `\\n`."""
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
    """Values by key, and the items of lists by theirs."""

    values: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """Leading `key: value` lines between `---` lines, and the text behind them.

    A key may be followed by lines of `- item` each.
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
