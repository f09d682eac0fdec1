"""Drops what no reader sees: hidden elements, scripts, and the fallback of embedded media."""

from __future__ import annotations

import re

from bs4 import Tag

from deployments.knowledge.readers.html.collapsed import CollapsedAnswers
from deployments.knowledge.readers.html.tree import attribute, drop, names, visible

_UNSEEN = names(
    "head script style noscript template svg object iframe embed video audio canvas map rp meter progress"
)
_COLLAPSING_STYLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|content-visibility\s*:\s*hidden)",
    re.IGNORECASE,
)
_COLLAPSING_CLASS = re.compile(r"(?:^|\s)(?:d-none|is-hidden|uk-hidden|hidden)(?=\s|$)", re.IGNORECASE)
_OFF_SCREEN_STYLE = re.compile(
    r"(?:^|;)\s*(?:(?:left|top|text-indent)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*[01])", re.IGNORECASE
)
_OFF_SCREEN_CLASS = re.compile(
    r"(?:^|[\s_-])(?:visually-?hidden|sr-only|show-for-sr|screen-?reader(?:-text|-only)?|element-invisible"
    r"|a11y-hidden|assistive-text)(?=\s|$)",
    re.IGNORECASE,
)
_SHOWING_CLASS = re.compile(r":(?:block|flex|grid|inline|table)|d-\w+-(?:block|flex|grid|inline|table)")
"""A class with which a wider window shows what a narrow one hides."""


def drop_unseen(root: Tag) -> None:
    """Drops hidden elements. What a reader can open stays, such as the answer under a question."""
    opened = _opened(root)
    parts = [root]
    while parts:
        parts.extend(_drop_in(parts.pop(), opened))


def _drop_in(root: Tag, opened: set[str]) -> list[Tag]:
    """Drops what is hidden, and returns the collapsed answers, whose parts are still to be looked at."""
    answers = CollapsedAnswers()
    names_before: dict[int, str] = {}
    for node in visible(root):
        if not isinstance(node, Tag):
            answers.read(node)
        elif node.name in ("html", "body") or _can_be_opened(node, opened):
            continue
        elif node.name in _UNSEEN or _is_off_screen(node):
            drop(node)
        elif _is_collapsed(node):
            answers.hide(node)
            names_before[id(node)] = node.name
            drop(node)
    found = answers.found()
    for answer in found:
        answer.name = names_before[id(answer)]
    return found


def _opened(root: Tag) -> set[str]:
    """The ids of what buttons and tabs open."""
    ids: set[str] = set()
    for node in visible(root):
        if isinstance(node, Tag):
            for name in ("aria-controls", "data-target", "data-bs-target"):
                ids.update(word.lstrip("#") for word in attribute(node, name).split())
    return ids


def _can_be_opened(tag: Tag, opened: set[str]) -> bool:
    if tag.name in _UNSEEN:
        return False
    return attribute(tag, "role") == "tabpanel" or attribute(tag, "id") in opened


def _is_off_screen(tag: Tag) -> bool:
    return _has_class(tag, _OFF_SCREEN_CLASS) or bool(_OFF_SCREEN_STYLE.search(attribute(tag, "style")))


def _is_collapsed(tag: Tag) -> bool:
    if "hidden" in tag.attrs and attribute(tag, "hidden") != "until-found":
        return True
    if _has_class(tag, _COLLAPSING_CLASS):
        return True
    if attribute(tag, "aria-hidden").lower() == "true" and tag.name != "img":
        # An open dialog hides the page from screen readers only, and the picture of a formula is seen.
        return tag.find(["h1", "main", "article"]) is None
    return bool(_COLLAPSING_STYLE.search(attribute(tag, "style")))


def _has_class(tag: Tag, hiding: re.Pattern[str]) -> bool:
    classes = attribute(tag, "class")
    return bool(hiding.search(classes)) and not _SHOWING_CLASS.search(classes)
