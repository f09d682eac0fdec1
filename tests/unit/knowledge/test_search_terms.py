"""Every question becomes a valid full-text query."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.knowledge.search_terms import (
    MAX_TERMS,
    fts5_query,
    has_identifier,
    indexed_words,
    search_terms,
    tsquery,
    without_marks,
)


def test_common_words_are_dropped_and_written_phrases_kept() -> None:
    assert search_terms("What does error TW-2005 mean?") == (
        ("error",),
        ("tw", "2005"),
        ("tw",),
        ("2005",),
        ("mean",),
    )


def test_a_question_of_common_words_keeps_them() -> None:
    assert search_terms("who are you") == (("who",), ("are",), ("you",))


@pytest.mark.parametrize("text", ["", " \n", "?!", '""" * () :', "\0", "\u0301", "- -"])
def test_a_question_without_words_has_no_terms(text: str) -> None:
    assert search_terms(text) == ()


def test_repeated_words_count_once_and_the_number_of_terms_is_limited() -> None:
    assert search_terms("Sync sync SYNC") == (("sync",),)
    assert len(search_terms(" ".join(f"w{n}" for n in range(500)))) == MAX_TERMS


@given(st.text())
@example('NEAR("a" b, 5) AND NOT body:x* ^y')
@example("a\0b 'quoted' \"double\" \\ ; DROP TABLE chunks --")
@example("ẛ̣ ﷺ \U0001d518 ١٢٣ ½")
def test_fts5_accepts_every_question(text: str) -> None:
    terms = search_terms(text)
    if not terms:
        return
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'porter unicode61')")
        database.execute("INSERT INTO t VALUES ('a b')")
        database.execute("SELECT * FROM t WHERE t MATCH ?", (fts5_query(terms),)).fetchall()
    database.close()


@given(st.text())
def test_a_tsquery_has_nothing_but_quoted_words_and_operators(text: str) -> None:
    query = tsquery(search_terms(text))
    assert re.fullmatch(r"(?:[()]|'[^\W_]+[^\s'\\]*'| <-> | \| |'[^'\\\s]+')*", query)


def test_marks_are_removed_and_letters_stay() -> None:
    assert without_marks("Crème brûlée, Ångström") == "Creme brulee, Angstrom"


@given(st.text())
@example("TW-4003 in config.yaml at api.example.com, Straße, İstanbul")
def test_a_text_is_indexed_under_the_terms_of_an_equal_question(text: str) -> None:
    indexed = f" {indexed_words(text)} "
    assert all(f" {' '.join(term)} " in indexed for term in search_terms(without_marks(text)))


@pytest.mark.parametrize(
    "question", ["What is TW-4003?", "error (0x80070057)!", "the next_cursor field", "HMAC-SHA256"]
)
def test_identifiers_are_recognised(question: str) -> None:
    """Full text is used for such questions."""
    assert has_identifier(question)


@pytest.mark.parametrize(
    "question",
    ["We have 60 applicants.", "It stops at 100 %, why?", "", "11 pm (sharp)", "11pm on May 1st", "6-digit"],
)
def test_everyday_words_and_numbers_are_not_identifiers(question: str) -> None:
    """Every second question has numbers."""
    assert not has_identifier(question)
