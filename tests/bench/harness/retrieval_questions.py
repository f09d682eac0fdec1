"""Questions with the page and the text that answer them, split into halves by a hash.

They were written by reading the pages, before search was tuned. Only the development half may guide a
change; the test half tells whether the change is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from deployments.core.messages import Turn
from tests.bench.harness.corpora import Corpus, page_id
from tests.bench.workload.agent_questions import FOLDER

KINDS = ("words", "identifier", "follow-up", "unanswerable")
"""In other words than the page's; by an identifier or a keyword; with the talk before; not on any page."""
_SALT = b"2334 "
"""Makes both halves of each kind about equally large."""
_LINK_TARGET = re.compile(r"""\]\([^\s()]*(?:\([^\s()]*\))?[^\s()]*(?:\s+"[^"]*")?\)""")
_WORD = re.compile(r"[^\W_]+")
_SAMPLE_QUESTIONS = {
    "support-samples": ("support_questions", "support_dev_questions", "quality/support"),
    "documentation-samples": ("quality/documentation",),
}
"""Files of questions for other studies, which are asked here, too."""


@dataclass(frozen=True, slots=True)
class RetrievalQuestion:
    """A question to an agent."""

    kind: str
    """One of `KINDS`."""
    text: str
    pages: frozenset[str]
    """Ids of the documents that answer it; empty if none does."""
    facts: Sequence[Sequence[str]] = ()
    """Spellings of each fact of the answer. A prompt has the answer if it has a spelling of each."""
    history: Sequence[Turn] = ()
    """The talk before."""

    @property
    def half(self) -> str:
        """`dev` or `test`."""
        return "dev" if sha256(_SALT + self.text.encode()).digest()[0] % 2 else "test"

    def answered_by(self, texts: Sequence[str]) -> bool:
        """Whether texts contain a spelling of each fact. Only letters and digits are compared."""
        plain = [plain_words(text) for text in texts]
        return all(
            any(plain_words(spelling) in text for spelling in fact for text in plain) for fact in self.facts
        )


def plain_words(text: str) -> str:
    """The words of a text in lower case, with a blank before and after each, without Markdown's marks.

    A link is its text only, so that a question stays valid when pages are converted in another way.
    """
    return f" {' '.join(_WORD.findall(_LINK_TARGET.sub(' ', text).casefold()))} "


def questions_of(corpus: Corpus) -> list[RetrievalQuestion]:
    """All questions about a corpus, each text once."""
    lines = (FOLDER / "retrieval" / f"{corpus.name}.jsonl").read_text().splitlines()
    found = [*map(_from_line, map(json.loads, lines)), *_sample_questions(corpus)]
    return list({question.text: question for question in reversed(found)}.values())[::-1]


def _from_line(line: Mapping[str, Any]) -> RetrievalQuestion:
    return RetrievalQuestion(
        line["kind"],
        line["question"],
        frozenset(page_id(page) for page in line.get("pages", [])),
        [line["passages"]] if "passages" in line else (),
        [Turn(user, assistant) for user, assistant in line.get("history", [])],
    )


def _sample_questions(corpus: Corpus) -> Iterator[RetrievalQuestion]:
    for file in _SAMPLE_QUESTIONS.get(corpus.name, ()):
        for row in json.loads((FOLDER / f"{file}.json").read_text()):
            pages = frozenset([row["doc_id"], *row["also"]]) - {None}
            kind = "words" if pages else "unanswerable"
            facts = row.get("facts", [[word] for word in row.get("keywords", [])])
            yield RetrievalQuestion(kind, row["question"], pages, facts if pages else ())
