"""Texts that consist of JSON records, such as an exported list of questions and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")
_COLON = re.compile(r"\s*:\s*")
_LINE_END = re.compile(r"\s*\n\s*")


def json_records(text: str) -> str | None:
    """Puts each record into a paragraph of its own; None if the text has no records.

    Reads an array of objects, JSON Lines, and an object some of whose values are arrays of objects: the
    name of each is a heading then. Records stay exactly as the text has them, so that no number changes.
    """
    text = text.strip()
    if text[:1] not in ("[", "{"):
        return None
    try:
        if text[0] == "[":
            return _paragraphs(text, _values(text, 1, "]"))
        lines = list(_values(text, 0, ""))
        return _paragraphs(text, lines) if len(lines) > 1 else _sections(text)
    except (ValueError, RecursionError):
        return None


def _values(text: str, start: int, closing: str) -> Iterator[tuple[int, int, Any]]:
    """Yields start, end and value of each JSON value until `closing`, after which the text ends."""
    offset = _skip(text, start)
    while text[offset : offset + 1] != closing:
        value, end = _DECODER.raw_decode(text, offset)
        yield offset, end, value
        offset = _skip(text, end)
    if closing and offset + 1 != len(text):
        raise ValueError("a text follows the array")


def _paragraphs(text: str, values: Iterator[tuple[int, int, Any]] | list[tuple[int, int, Any]]) -> str | None:
    records = [(text[start:end], value) for start, end, value in values]
    if not records or not all(isinstance(value, dict) for _, value in records):
        return None
    return "\n\n".join(_LINE_END.sub(" ", record) for record, _ in records)


def _sections(text: str) -> str | None:
    """Reads an object: its arrays of objects as sections, after a record of all its other fields."""
    others: list[str] = []
    sections: list[str] = []
    offset = _skip(text, 1)
    while text[offset] != "}":
        _, end = _DECODER.raw_decode(text, offset)
        name = text[offset + 1 : end - 1]
        colon = _COLON.match(text, end)
        begin = colon.end() if colon is not None else end
        value, end = _DECODER.raw_decode(text, begin)
        records = _paragraphs(text, _values(text[:end], begin + 1, "]")) if isinstance(value, list) else None
        if records is None:
            others.append(text[offset:end])
        else:
            sections.append(f"# {name}\n\n{records}")
        offset = _skip(text, end)
    if not sections:
        return None
    return "\n\n".join([f"{{{', '.join(others)}}}", *sections] if others else sections)


def _skip(text: str, offset: int) -> int:
    """The offset after blanks and commas."""
    found = _BETWEEN.match(text, offset)
    return found.end() if found is not None else offset
