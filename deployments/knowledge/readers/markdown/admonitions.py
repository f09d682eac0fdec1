"""Notes and warnings as many site generators write them; each becomes a label that a reader sees."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployments.knowledge.readers.markdown.prose import Piece, Prose

KINDS = frozenset(
    ("note", "info", "tip", "hint", "important", "warning", "caution", "danger", "error", "attention")
) | frozenset(("success", "failure", "bug", "example", "abstract", "summary", "quote", "question", "seealso"))
"""Kinds of notes, whose names readers see."""
_DIRECTIVE = re.compile(r":::(?!:)([\w-]+)?((?:[ \t]+[^\n:][^\n]*?)?):::")
_OPENING = re.compile(
    r"^([ \t>]*):{3,}[ \t]*\{?\.?([A-Za-z][\w-]*)\}?[ \t]*(?:\[([^\]\n]*)\])?[ \t]*([^\n{]*)(?:\{[^\n]*)?$",
    re.MULTILINE,
)
_ENDING = re.compile(r"^[ \t>]*:{3,}[ \t]*(?:\{[^\n]*\}[ \t]*|[\w-]+-end[ \t]*)?(?:\n|\Z)", re.MULTILINE)
_ALERT = re.compile(r"^([ \t]*>[> \t]*)\[!([A-Za-z]+)\][+-]?[ \t]*([^\n]*)$", re.MULTILINE)
_INCLUSION = re.compile(r"\[!(?:include|code|div|video|notebook)[^\n]*?\](?:\([^)\n]*\)\])?", re.IGNORECASE)
_INDENTED = re.compile(
    r'([ \t]*)(?:!!!|\?\?\?\+?|===[!+]?)[ \t]+(?:([\w -]*?)[ \t]*)?(?:"([^"\n]*)")?[ \t]*\n?'
)
_INDENT = 4
_MAX_DEPTH = 10


def label(kind: str, title: str = "") -> str:
    """The line that a reader sees above a note: its kind, unless the title says it, and its title."""
    kind, title = kind.strip(), title.strip().strip("\"'")
    shown = kind.capitalize() if kind.lower() in KINDS and kind.lower() != title.lower() else ""
    words = ": ".join(filter(None, (shown, title))).rstrip(":")
    return f"**{words}:**" if words else ""


def dedent_admonitions(prose: Prose) -> None:
    """Turns `!!! note "Title"` and `=== "Tab"` into labels, and moves what is indented below them left."""
    prose.edit(_dedents(prose))


def label_admonitions(prose: Prose) -> None:
    """Turns `:::note`, `> [!NOTE]` and similar marks into labels, and removes the marks of their ends."""
    prose.replace(_DIRECTIVE, lambda text, span: [_alternative(text(2))])
    prose.remove(_ENDING)
    prose.replace(_OPENING, lambda text, span: [span(1), label(text(2), text(3) or text(4)), "\n"])
    prose.remove(_INCLUSION)
    prose.replace(_ALERT, lambda text, span: [span(1), label(text(2), text(3))])


def _alternative(attributes: str) -> str:
    match = re.search(r'alt-text="([^"]*)"', attributes)
    return match[1] if match else ""


def _dedents(prose: Prose) -> Iterator[tuple[int, int, list[Piece]]]:
    """Yields the edits of lines inside indented admonitions."""
    inside: list[int] = []
    offset = 0
    blank = True
    for line in prose.text.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip(" "))
        if line.strip():
            while inside and indent < inside[-1] + _INDENT:
                inside.pop()
        removed = min(_INDENT * len(inside), indent)
        match = _INDENTED.fullmatch(prose.mask, offset, offset + len(line)) if blank or inside else None
        if match and (match[2] or match[3]) and len(inside) < _MAX_DEPTH:
            inside.append(indent)
            title = prose.text[slice(*match.span(3))] if match[3] else ""
            shown = label((match[2] or "").split(" ")[0], title)
            yield offset, offset + len(line), [line[removed:indent], shown, "\n\n"]
        elif removed:
            yield offset, offset + removed, []
        offset += len(line)
        blank = not line.strip()
