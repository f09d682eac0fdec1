"""The text of a document segment, exactly as prompts contain it, and the two kinds of text in a prompt.

Chunking (which counts its tokens), write-through at ingest and prompt assembly all call
`document_segment`. A difference of one byte would make another segment, and so a cache miss.
"""

from __future__ import annotations

SEGMENT_SCHEMA_VERSION = 1
"""Part of every segment key. Raise it when the text below changes."""


def document_segment(title: str, heading: str, body: str) -> str:
    """Delimiter, title, heading path and body; no rank, number or version, which would break reuse.

    The delimiter comes first, because tokenizers do not merge a leading blank line with the text before
    it, but would merge a trailing one with the text after it. The body is stripped.

    Raises ValueError if the body is blank.
    """
    body = body.strip()
    if not body:
        raise ValueError("a segment's body must not be blank")
    name = " > ".join(part for part in (_one_line(title), _one_line(heading)) if part)
    return f"\n\n### {name}\n{body}" if name else f"\n\n###\n{body}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


class ScaffoldText(str):
    """A piece of the chat template. Only here are control tokens encoded as control tokens."""

    __slots__ = ()


class PlainText(str):
    """A piece of preamble, document or question. Encoded as text, even if it spells a control token."""

    __slots__ = ()
