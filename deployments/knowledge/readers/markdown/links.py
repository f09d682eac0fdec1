"""Resolves what a Markdown text defines elsewhere: links, pictures, footnotes. Removes badges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from markdown_it.common.utils import normalizeReference

from deployments.knowledge.cutting.outline import BLOCKS
from deployments.knowledge.readers.markdown.prose import BLOCK, Piece, Prose

MAX_TARGET_CHARS = 500
"""A longer address is not repeated where it is used."""
MAX_ADDED_CHARS = 10_000
"""A short text may become longer by so much."""
MAX_NOTE_CHARS = 500
"""A longer footnote stays where it is."""
_TEXT = r"((?:[^\[\]\\\n]|\\.|\n(?!\n)|\[(?:[^\[\]\\\n]|\\.)*+\])*+)"
_REFERENCE = re.compile(rf"(?<!\\)(!?)\[{_TEXT}\](?:\[((?:[^\[\]\\\n]|\\.)*+)\])?(?![(:\[])")
_PICTURE = re.compile(r"(?<!\\)(!)\[([^\[\]\n]*)\](?:\[([^\[\]\n]*)\])?(?![(:\[])")
_NOTE = re.compile(
    r"^ {0,3}\[\^([^\]\s]{1,100})\]:[ \t]*([^\n]*(?:\n(?![ ]{0,3}\[\^)[ \t]*[^\s\ud801][^\n]*)*)(?:\n|\Z)",
    re.MULTILINE,
)
_NOTE_START = re.compile(r" {0,3}\[\^[^\]\s]{1,100}\]:")
_NOTE_INDENT = re.compile(r" {4}|\t")
_NOTE_USE = re.compile(r"[ \t]?\[\^([^\]\s]{1,100})\](?!:)")
_BADGE_ADDRESS = r"\([^()\s]*(?:badge|shields\.io|/workflows?/)[^()\s]*(?:\s+\"[^\"\n]*\")?\)"
_BADGE = re.compile(
    rf"\[!\[[^\[\]\n]*\]{_BADGE_ADDRESS}\]\([^()\n]*\)[ \t]*|!\[[^\[\]\n]*\]{_BADGE_ADDRESS}[ \t]*"
)


def dedent_notes(prose: Prose) -> None:
    """Moves the further paragraphs of footnotes left: without their footnote they would be code."""
    prose.edit(_note_indents(prose))


def resolve_notes(prose: Prose) -> None:
    """Puts each footnote, in parentheses, where it is first referred to."""
    notes = {
        match[1].casefold(): " ".join(prose.text[slice(*match.span(2))].split())
        for match in _NOTE.finditer(prose.mask)
    }
    short = {name: note for name, note in notes.items() if note and len(note) <= MAX_NOTE_CHARS}
    used = {match[1].casefold() for match in _NOTE_USE.finditer(prose.mask)} & short.keys()
    prose.edit((*match.span(), ()) for match in _NOTE.finditer(prose.mask) if match[1].casefold() in used)
    left = {name: f" ({short[name]})" for name in used}

    def replaced(match: re.Match[str]) -> tuple[int, int, list[Piece]]:
        name = match[1].casefold()
        return *match.span(), [left.pop(name, "")] if name in used else [match.span()]

    prose.edit(map(replaced, _NOTE_USE.finditer(prose.mask)))


def resolve_links(prose: Prose) -> None:
    """Puts the addresses of link definitions where they are used, and removes the definitions.

    No more is added than MAX_ADDED_CHARS and the text's own length.
    """
    if "]:" not in prose.mask:
        return
    env: dict[str, Any] = {}
    BLOCKS.parse(prose.text, env)
    targets: dict[str, str] = {name: found["href"] for name, found in env.get("references", {}).items()}
    if targets:
        definitions = [*env["references"].values(), *env.get("duplicate_refs", ())]
        _remove_lines(prose, sorted(tuple(definition["map"]) for definition in definitions))
        for pattern in (_PICTURE, _REFERENCE):  # a link may contain a picture
            prose.edit(_resolved(prose, pattern, targets))


def remove_badges(prose: Prose) -> None:
    """Removes pictures that show the state of a project's builds, downloads and so on."""
    prose.remove(_BADGE)


def _note_indents(prose: Prose) -> Iterator[tuple[int, int, tuple[()]]]:
    """Yields the removals of indents, line by line."""
    offset = 0
    inside = after_blank = False
    for line in prose.text.split("\n"):
        indent = _NOTE_INDENT.match(line)
        if line.strip():
            if _NOTE_START.match(prose.mask, offset):
                inside = True
            elif inside and indent:
                yield offset, offset + indent.end(), ()
            elif after_blank or prose.mask.startswith(BLOCK, offset):
                inside = False
        after_blank = not line.strip()
        offset += len(line) + 1


def _remove_lines(prose: Prose, ranges: list[tuple[int, int]]) -> None:
    starts = [0, *accumulate(len(line) + 1 for line in prose.text.split("\n"))]
    ends = [min(start, len(prose.text)) for start in starts]
    prose.edit(
        (starts[first], ends[last], ())
        for first, last in ranges
        if BLOCK not in prose.mask[starts[first] : ends[last]]
    )


def _resolved(
    prose: Prose, pattern: re.Pattern[str], targets: Mapping[str, str]
) -> Iterator[tuple[int, int, list[Piece]]]:
    room = len(prose.text) + MAX_ADDED_CHARS
    for match in pattern.finditer(prose.mask):
        label = prose.text[slice(*match.span(3 if match[3] else 2))]
        target = targets.get(normalizeReference(label))
        if target is None:
            continue
        address = f"]({target})"
        room -= len(address)
        shown = len(target) <= MAX_TARGET_CHARS and room > 0 and not target.startswith("data:")
        words: Piece = match.span(2)
        yield *match.span(), [match[1], "[", words, address] if shown else [words]
