"""Questions about search quality: their files, and how answers are recognised."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import Passage
from deployments.core.ids import DocId
from deployments.knowledge.samples import SAMPLES
from tests.bench.harness.corpora import CORPORA, Corpus, page_id
from tests.bench.harness.retrieval_grades import grade, rows
from tests.bench.harness.retrieval_questions import KINDS, RetrievalQuestion, plain_words, questions_of

WORDS = st.lists(st.from_regex(r"[a-zäöü0-9]{1,8}", fullmatch=True), min_size=1, max_size=8)


def passage(doc_id: str, body: str = "text") -> Passage:
    """A passage of a document."""
    return Passage(DocId(doc_id), "Title", "", None, 1, 0, body, 1.0, 0.9)


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_each_question_has_what_its_kind_needs(corpus: Corpus) -> None:
    """An answerable question has pages and an answer, a follow-up a history; halves are about equal."""
    asked = questions_of(corpus)
    for question in asked:
        answerable = question.kind != "unanswerable"
        assert question.kind in KINDS, question
        assert bool(question.pages) == answerable, question
        assert bool(question.history) == (question.kind == "follow-up"), question
        assert not answerable or question.facts or not corpus.pages, question
    assert len({question.text for question in asked}) == len(asked)
    halves = Counter(question.half for question in asked)
    assert abs(halves["dev"] - halves["test"]) <= len(asked) // 4


@pytest.mark.parametrize("corpus", [corpus for corpus in CORPORA if not corpus.pages], ids=lambda c: c.name)
def test_pages_of_the_samples_exist_and_have_the_answer(corpus: Corpus) -> None:
    """A question from the samples' own files names documents that contain one of its passages."""
    folder = SAMPLES / ("support_kb" if corpus.agent == "support" else "documentation")
    for question in questions_of(corpus):
        texts = [(folder / f"{page}.md").read_text() for page in question.pages]
        if question.kind in {"identifier", "follow-up"}:
            assert question.answered_by(texts), question


@given(WORDS, st.sampled_from(["*{}*", "`{}`", '[{}](https://example.org/a_(b) "t")', "[{}](#x)", "({}),"]))
def test_marks_of_markdown_do_not_hide_an_answer(words: list[str], mark: str) -> None:
    """An answer is found whichever of its words are marked up or linked."""
    question = RetrievalQuestion("words", "?", frozenset({"a"}), [[" ".join(words)]])
    marked = " ".join([mark.format(words[0]), *words[1:]])
    assert question.answered_by([f"Before. {marked} after."])
    assert not question.answered_by([f"Before. {marked}x after."] if words[1:] else ["Before."])


def test_a_word_is_not_found_inside_another_word() -> None:
    """Only whole words count."""
    question = RetrievalQuestion("words", "?", frozenset({"a"}), [["is leap"]])
    assert not question.answered_by(["this leaps"])
    assert plain_words("`TW-4003`, *now*") == " tw 4003 now "


def test_only_right_documents_answer() -> None:
    """The answer's words in another document do not count; ranks are those of documents."""
    question = RetrievalQuestion("words", "?", frozenset({"right"}), [["the answer"]])
    found = [passage("wrong", "The answer"), passage("wrong"), passage("right")]
    graded = grade(question, found, True, 10, 1.0)
    assert (graded.first, graded.among, graded.in_prompt) == (False, True, False)
    assert grade(question, [passage("right", "The answer!")], True, 10, 1.0).in_prompt
    assert grade(replace(question, facts=()), [passage("right")], True, 10, 1.0).in_prompt is None


def test_a_row_counts_one_kind_of_question() -> None:
    """Unanswerable questions have no right document; others count how often they were refused."""
    question = RetrievalQuestion("words", "?", frozenset({"right"}), [["text"]])
    nothing = RetrievalQuestion("unanswerable", "!", frozenset())
    grades = [grade(question, [passage("right")], True, 7, 2.0), grade(nothing, [], False, 0, 4.0)]
    words, unanswerable = rows("corpus", grades)
    assert (words["first"], words["in prompt"], words["refused"]) == (1, "1 of 1", 0)
    assert (unanswerable["first"], unanswerable["refused"], unanswerable["p50 ms"]) == (None, 1, 4.0)


def test_ids_of_pages_are_valid() -> None:
    """A path becomes a document id without slashes and suffix."""
    assert page_id("library/os.path.html") == "library:os.path"
