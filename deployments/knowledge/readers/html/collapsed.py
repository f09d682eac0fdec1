"""Finds collapsed answers: hidden blocks right after the question that opens them."""

from __future__ import annotations

from dataclasses import dataclass

from bs4 import Tag
from bs4.element import NavigableString

from deployments.knowledge.readers.html.controls import is_command
from deployments.knowledge.readers.html.tree import BLOCKS, HEADINGS, attribute, names, words_of
from deployments.knowledge.readers.html.weights import Weights

_TITLES = HEADINGS | {"dt"}
"""What stands over text that is shown, or over text that is to be opened."""
_QUESTIONS = _TITLES | {"summary", "button"}
_AROUND = frozenset({"nav", "footer", "aside"})
"""Text in one of these is not of the section above it."""
_ANSWER_ROLES = names("region group tabpanel definition none presentation") | {""}
"""Other roles are of menus, dialogs, tooltips and messages, which no question opens."""
_ANSWER_WORDS = names("answer accordion collapse collapsed collapsible expandable faq")


@dataclass(slots=True)
class _Candidate:
    """A hidden block after a question."""

    block: Tag
    """The hidden element."""
    question: Tag
    """What its text directly follows."""
    section: Tag | None
    """The smallest element that holds both; None if the block is an answer whatever else is in there."""
    is_sure: bool = True
    """Whether no visible text of the section follows."""

    @property
    def kind(self) -> tuple[str, int]:
        """Answers that are next to each other look the same."""
        return attribute(self.block, "class"), id(self.block.parent)


class CollapsedAnswers:
    """Reads a page in order, and says which of its hidden blocks are answers.

    A hidden block is one if the visible text before it is a question: a heading, a term, a summary or a
    button. After a heading or a term with other visible text in its section it is one only if it looks like
    an answer that is alone in its section: a page can also hide a note right after a heading.
    """

    def __init__(self) -> None:
        self._question: Tag | None = None
        self._waiting: list[_Candidate] = []
        self._found: list[_Candidate] = []

    def read(self, text: NavigableString) -> None:
        """Takes the next visible text."""
        if not text.strip():
            return
        question = _question_of(text)
        if question is None and self._waiting and not _is_around(text):
            for candidate in self._waiting:
                candidate.is_sure = candidate.section is None or not _is_in(candidate.section, text)
        self._waiting.clear()
        self._question = question

    def hide(self, block: Tag) -> None:
        """Takes the next hidden block."""
        question = self._question
        if (
            question is None
            or any(parent is question for parent in block.parents)
            or block.name not in BLOCKS
            or attribute(block, "role") not in _ANSWER_ROLES
            or "aria-live" in block.attrs
        ):
            return
        is_named = bool(words_of(attribute(block, "class")) & _ANSWER_WORDS)
        is_opened = is_named or question.name not in _TITLES
        section = None if is_opened else _common_parent(question, block)
        candidate = _Candidate(block, question, section)
        self._found.append(candidate)
        self._waiting.append(candidate)

    def found(self) -> list[Tag]:
        """The answers. Marks the buttons among their questions as text."""
        sure = {candidate.kind for candidate in self._found if candidate.is_sure}
        answers = []
        for candidate in self._found:
            if candidate.kind not in sure or _is_menu(candidate):
                continue
            if candidate.question.name == "button":
                candidate.question["aria-expanded"] = "false"
            answers.append(candidate.block)
        return answers


def _question_of(text: NavigableString) -> Tag | None:
    question = next((parent for parent in text.parents if _asks(parent)), None)
    if question is None or question.name != "button":
        return question
    before = question.find_previous_sibling(True)
    # After "Yes" and "No", hidden text thanks for the answer.
    in_group = before is not None and before.name == "button" and is_command(question)
    return None if in_group else question


def _asks(tag: Tag) -> bool:
    return tag.name in _QUESTIONS or attribute(tag, "role") == "button"


def _is_around(text: NavigableString) -> bool:
    return any(parent.name in _AROUND for parent in text.parents)


def _is_menu(candidate: _Candidate) -> bool:
    return candidate.question.name == "button" and Weights(candidate.block)[candidate.block].is_controls


def _common_parent(question: Tag, block: Tag) -> Tag | None:
    around = {id(parent) for parent in question.parents}
    return next((parent for parent in block.parents if id(parent) in around), None)


def _is_in(section: Tag, text: NavigableString) -> bool:
    return any(parent is section for parent in text.parents)
