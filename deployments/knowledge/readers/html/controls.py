"""Drops form controls, and tells the buttons that are commands from those that are text."""

from __future__ import annotations

from bs4 import Tag

from deployments.knowledge.readers.html.tree import HEADINGS, attribute, drop, text_of, visible

_CHOICES = frozenset({"select", "datalist", "textarea"})
_WRITABLE = frozenset({"text", "email", "search", "password", "submit", "tel", "url", ""})
"""Types of an `input` that a reader writes into, or sends a form with."""
_TITLES = HEADINGS | {"dt", "summary"}
_LABEL_WORDS = 4
"""A button with more words is not a command but a text, such as the question above an answer."""


def drop_controls(root: Tag) -> None:
    """Drops buttons that are commands, and the fields of forms. Boxes of task lists stay."""
    for node in visible(root):
        if isinstance(node, Tag) and (node.name in _CHOICES or is_command(node)):
            drop(node)


def is_field(tag: Tag) -> bool:
    """Whether it is a field of a form."""
    return tag.name in _CHOICES or is_writable(tag)


def is_writable(tag: Tag) -> bool:
    """Whether it is an `input` that a reader writes into."""
    return tag.name == "input" and attribute(tag, "type").lower() in _WRITABLE


def is_command(tag: Tag) -> bool:
    """Whether it is a button that is no text, as a question over its answer or a word in a sentence is."""
    if tag.name != "button" or "aria-expanded" in tag.attrs or "aria-controls" in tag.attrs:
        return False
    if any(parent.name in _TITLES for parent in tag.parents):
        return False
    in_sentence = tag.parent is not None and tag.parent.name in ("p", "li", "td", "dd")
    return not in_sentence and len(text_of(tag).split()) <= _LABEL_WORDS
