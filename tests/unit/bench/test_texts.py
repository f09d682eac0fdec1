"""Texts for generated requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.workload.texts import Texts

TEXTS = Texts()


def words(text):
    """Counts words, in place of a tokenizer."""
    return len(text.split())


@given(st.integers(0, 3234), st.integers(20, 420))
def test_a_passage_has_its_length_and_is_always_the_same(passage, tokens):
    """For any tokenizer."""
    texts = Texts(count=words)
    text = texts.passage(passage, tokens)
    assert words(text.body) == tokens
    assert text == Texts(count=words).passage(passage, tokens)


def test_no_two_passages_have_one_title():
    """So no two segments are equal."""
    assert len({TEXTS.passage(passage, 20).title for passage in range(3235)}) == 3235


def test_a_question_names_what_is_ranked_first():
    """The titles of the first two passages, and no other."""
    first, second = (TEXTS.passage(passage, 20).title for passage in (8, 5))
    assert TEXTS.question((8, 5, 1)).endswith(f"{first} and {second}?")
