"""Reads plain text as Markdown: its records, and its underlined headings."""

from __future__ import annotations

import re

from deployments.knowledge.readers.markdown.records import json_records

_MARKS = r"[=\-~^\"'*+#`:._]"
_UNDERLINED = re.compile(
    rf"(?:(?<=\n\n)|\A)(?:({_MARKS})\1{{2,200}}[ \t]*\n)?[ \t]?(?=[^\n]{{0,20}}\w)(\S[^\n]{{0,199}})\n"
    rf"({_MARKS})(\3{{2,200}})[ \t]*(?=\n|\Z)"
)
_SLACK_CHARS = 2
"""Writers count characters wrongly by as many."""
_MAX_LEVEL = 6


def plain_markdown(text: str) -> str:
    """Converts plain text to Markdown.

    JSON records become paragraphs. A line that another line of `=`, `~`, `^` and so on underlines in its
    length becomes a heading; as in reStructuredText, marks rank in the order in which they first occur.
    """
    records = json_records(text)
    if records is not None:
        return records
    levels: dict[tuple[bool, str], int] = {}

    def heading(found: re.Match[str]) -> str:
        over, title, mark, more = found.groups()
        if abs(len(title.rstrip()) - len(more) - 1) > _SLACK_CHARS or (over and over != mark):
            return found[0]
        level = levels.setdefault((over is not None, mark), len(levels) + 1)
        return f"{'#' * min(level, _MAX_LEVEL)} {title.strip()}\n"

    return _UNDERLINED.sub(heading, text)
