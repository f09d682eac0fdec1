"""HTML inside a Markdown text: its text stays, its tags become Markdown or go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployments.knowledge.readers.html import html_fragment
from deployments.knowledge.readers.markdown.prose import CODE, Piece, Prose

_ATTRIBUTES = rf"""(?:\s(?:[^<>"'{CODE}]|"[^"<>]*"|'[^'<>]*')*+|/)?"""
_BLOCK = re.compile(
    rf"^[ \t]*<(table|dl|ul|ol|pre|h[1-6])\b{_ATTRIBUTES}>(?:(?!<\1\b|</\1\b)[^{CODE}])*+</\1\s*>[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_BREAKING = (
    "address article aside blockquote center details div dd dl dt fieldset figcaption figure footer form"
)
_BREAKING += " header hr li main nav ol p pre section summary table tbody td tfoot th thead tr ul video audio"
_INLINE = (
    "a abbr b big cite code del dfn em font i img input ins kbd label mark nobr picture q s samp small source"
)
_INLINE += " span strike strong sub sup time tt u var wbr br button iframe svg path"
_NAMES = "|".join(sorted(f"{_BREAKING} {_INLINE}".split(), key=len, reverse=True))
_TAG = re.compile(rf"<(/?)({_NAMES}){_ATTRIBUTES}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(alt|href)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "tt": "`", "samp": "`", "br": "\n"}
_MARKS |= {"sup": "^", "del": "~~", "s": "~~", "strike": "~~"}
_ENDLESS = frozenset(("sup", "br"))
"""Their marks have no counterpart at the end."""


def replace_html(prose: Prose) -> None:
    """Converts tables, lists, headings and so on as the HTML reader does; replaces all other known tags.

    Names that HTML does not have, such as `<HOST>`, are placeholders and stay.
    """
    prose.edit(_converted(prose))
    prose.edit(_without_tags(prose))


def html_block_text(block: str) -> str:
    """Converts an element of HTML to Markdown; returns it as it is if it can't be read."""
    try:
        return html_fragment(block).strip()
    except ValueError:
        return block


def _converted(prose: Prose) -> Iterator[tuple[int, int, list[Piece]]]:
    for match in _BLOCK.finditer(prose.mask):
        yield *match.span(), ["\n", html_block_text(prose.text[slice(*match.span())]), "\n"]


def _without_tags(prose: Prose) -> Iterator[tuple[int, int, list[Piece]]]:
    links: list[str] = []
    for match in _TAG.finditer(prose.mask):
        name, closing = match[2].lower(), bool(match[1])
        attributes = {found[1].lower(): found[2] or found[3] or "" for found in _ATTRIBUTE.finditer(match[0])}
        if name == "img":
            seen = " ".join(attributes.get("alt", "").split())
        elif name == "a":
            seen = _link_mark(attributes.get("href", ""), links, closing=closing)
        elif name in _MARKS:
            seen = "" if closing and name in _ENDLESS else _MARKS[name]
        elif name == "li" and not closing:
            seen = "\n- "
        else:
            breaks = name in _BREAKING.split() and not prose.is_alone(*match.span())
            seen = "\n\n" if breaks else ""
        yield *match.span(), [seen]


def _link_mark(target: str, links: list[str], *, closing: bool) -> str:
    """Returns what a link's tag becomes; `links` are the targets of the links that are open."""
    if not closing:
        links.append(target)
        return "[" if target else ""
    opened = links.pop() if links else ""
    return f"]({opened})" if opened else ""
