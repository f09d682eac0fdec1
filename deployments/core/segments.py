"""The text of a document segment, exactly as prompts contain it, and the two kinds of text in a prompt.

Everybody who needs the text calls this: chunking (to count its tokens), write-through at ingest and
assembly. One byte of difference would be a different segment, hence a miss.
"""

from __future__ import annotations

SEGMENT_SCHEMA_VERSION = 1
"""Part of every segment key. Raise it when the text below changes."""


def document_segment(title: str, heading: str, body: str) -> str:
    """Delimiter, title, heading path and body; no rank, number or version, which would break reuse.

    It starts with the delimiter, because a leading blank line does not merge with what stands before
    it while a trailing one would merge with what follows, and it ends in the stripped body.

    Raises: ValueError when the body is blank.
    """
    body = body.strip()
    if not body:
        raise ValueError("a segment's body must not be blank")
    name = " > ".join(part for part in (_one_line(title), _one_line(heading)) if part)
    return f"\n\n### {name}\n{body}" if name else f"\n\n###\n{body}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


class ScaffoldText(str):
    """A piece of the chat template: the only text whose control tokens count as such."""

    __slots__ = ()


class PlainText(str):
    """A piece of preamble, document or question: text, whatever it spells."""

    __slots__ = ()
