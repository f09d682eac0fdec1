"""Measures how much of each element is text, and how much of that is links."""

from __future__ import annotations

from dataclasses import dataclass

from bs4 import Tag
from bs4.element import NavigableString, PreformattedString

from deployments.knowledge.readers.html.controls import is_command, is_field
from deployments.knowledge.readers.html.tree import DROPPED, attribute

_FIELD_CHARS = 40
"""A field of a form takes the place of about so many characters."""


@dataclass(slots=True)
class Weight:
    """The visible text of one element, in characters that are not blank."""

    text: int = 0
    """All of it."""
    linked: int = 0
    """In links."""
    inner: int = 0
    """In links to places of the same page."""
    commands: int = 0
    """In buttons that are commands, and in the place of form fields. It is no part of `text`."""
    holds_title: bool = False
    """Whether an `h1` is inside, or is the element."""

    @property
    def prose(self) -> int:
        """Text outside of links."""
        return self.text - self.linked

    @property
    def is_links(self) -> bool:
        """Whether at least half of the text is links; also if there is none."""
        return 2 * self.linked >= self.text

    @property
    def is_controls(self) -> bool:
        """Whether at least half is links, buttons and form fields; also if there is nothing."""
        return 2 * self.linked + self.commands >= self.text


class Weights:
    """The weight of each visible element of a tree, as it was when measured."""

    def __init__(self, root: Tag) -> None:
        self._of: dict[int, Weight] = {}
        order: list[Tag] = []
        stack = [root]
        while stack:
            tag = stack.pop()
            order.append(tag)
            stack.extend(
                child for child in tag.contents if isinstance(child, Tag) and child.name not in DROPPED
            )
        for tag in reversed(order):
            self._of[id(tag)] = self._weigh(tag)

    def __getitem__(self, tag: Tag) -> Weight:
        return self._of.get(id(tag), Weight())

    def _weigh(self, tag: Tag) -> Weight:
        if is_field(tag):
            return Weight(commands=_FIELD_CHARS)
        weight = Weight(holds_title=tag.name == "h1")
        for child in tag.contents:
            if isinstance(child, Tag):
                inside = self[child]
                weight.text += inside.text
                weight.linked += inside.linked
                weight.inner += inside.inner
                weight.commands += inside.commands
                weight.holds_title = weight.holds_title or inside.holds_title
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                weight.text += len("".join(child.split()))
        if is_command(tag):
            return Weight(commands=weight.text)
        href = attribute(tag, "href")
        if tag.name == "a" and href:
            weight.linked = weight.text
            weight.inner = weight.text if href.startswith("#") else 0
        return weight
