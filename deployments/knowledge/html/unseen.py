"""Drops what no reader sees: hidden elements, scripts, form controls, and the fallback of embedded media."""

from __future__ import annotations

import re

from bs4 import Tag

from deployments.knowledge.html.tree import HEADINGS, attribute, drop, names, text_of, visible

_UNSEEN = names(
    "head script style noscript template svg object iframe embed video audio canvas map select"
    " datalist textarea rp meter progress"
)
_HIDING_STYLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|content-visibility\s*:\s*hidden"
    r"|(?:left|top|text-indent)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*[01])",
    re.IGNORECASE,
)
_HIDING_CLASS = re.compile(
    r"(?:^|[\s_-])(?:visually-?hidden|sr-only|show-for-sr|screen-?reader(?:-text|-only)?|element-invisible"
    r"|a11y-hidden|assistive-text)(?=\s|$)|(?:^|\s)(?:d-none|is-hidden|uk-hidden|hidden)(?=\s|$)",
    re.IGNORECASE,
)
_SHOWING_CLASS = re.compile(r":(?:block|flex|grid|inline|table)|d-\w+-(?:block|flex|grid|inline|table)")
"""A class with which a wider window shows what a narrow one hides."""
_LABEL_WORDS = 4
"""A button with more words is not a command but a text, such as the question above an answer."""


def drop_unseen(root: Tag) -> None:
    """Drops hidden elements. What a button opens stays: readers see it when they want to."""
    opened = _opened(root)
    for node in visible(root):
        if isinstance(node, Tag) and (
            node.name in _UNSEEN
            or (_is_hidden(node) and not _can_be_opened(node, opened))
            or (node.name == "button" and not _is_label(node))
        ):
            drop(node)


def _opened(root: Tag) -> set[str]:
    """The ids of what buttons and tabs open."""
    ids: set[str] = set()
    for node in visible(root):
        if isinstance(node, Tag):
            for name in ("aria-controls", "data-target", "data-bs-target"):
                ids.update(word.lstrip("#") for word in attribute(node, name).split())
    return ids


def _can_be_opened(tag: Tag, opened: set[str]) -> bool:
    return attribute(tag, "role") == "tabpanel" or attribute(tag, "id") in opened


def _is_hidden(tag: Tag) -> bool:
    if not tag.attrs or tag.name in ("html", "body"):
        return False
    if "hidden" in tag.attrs and attribute(tag, "hidden") != "until-found":
        return True
    classes = attribute(tag, "class")
    if _HIDING_CLASS.search(classes) and not _SHOWING_CLASS.search(classes):
        return True
    if attribute(tag, "aria-hidden").lower() == "true" and tag.name != "img":
        # An open dialog hides the page from screen readers only, and the picture of a formula is seen.
        return tag.find(["h1", "main", "article"]) is None
    return bool(_HIDING_STYLE.search(attribute(tag, "style")))


def _is_label(button: Tag) -> bool:
    """Whether a button is a part of the text: a question that opens its answer, or a word in a sentence."""
    if "aria-expanded" in button.attrs or "aria-controls" in button.attrs:
        return True
    if button.find_parent([*HEADINGS, "dt", "summary"]) is not None:
        return True
    in_sentence = button.parent is not None and button.parent.name in ("p", "li", "td", "dd")
    return in_sentence or len(text_of(button).split()) > _LABEL_WORDS
