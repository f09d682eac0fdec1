"""The study of layouts: which conversations it holds, and how it compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.studies.conversation_quality import (
    FIRST,
    KEPT,
    Graded,
    comparison,
    conversations,
    mcnemar,
    rows,
)


def graded(conversation: int, turn: int, layout: str, facts: int, kind: str = "later") -> Graded:
    return Graded(conversation, turn, kind, layout, "?", "", facts, 2, 1000, 400)


def test_no_question_comes_again_before_all_others() -> None:
    held = conversations(40, seed=1)
    assert len(held) == 40
    assert all(len({one.id for one in asked}) == 3 for _, asked in held)
    assert all(one.facts for _, asked in held for one in asked)
    support = [one.id for agent, asked in held for one in asked if agent == "support"]
    assert len(set(support)) == len(support), "there are more questions than these turns"
    assert conversations(40, seed=1) == held


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_probability_is_that_of_a_fair_coin(one: int, other: int) -> None:
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 < mcnemar(one, other) <= 1
    assert mcnemar(one, one) == 1


def test_known_probabilities() -> None:
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)


def test_pairs_are_turns_after_the_first() -> None:
    answers = [
        graded(0, 0, KEPT, 2, "first"),
        graded(0, 0, FIRST, 0, "first"),
        graded(0, 1, KEPT, 2),
        graded(0, 1, FIRST, 1),
        graded(1, 1, KEPT, 0),
        graded(1, 1, FIRST, 2),
        graded(1, 2, KEPT, 2, "again"),
        graded(1, 2, FIRST, 2, "again"),
    ]
    compared = comparison(answers)
    assert compared["pairs"] == 3
    assert compared["right in append-only alone"] == compared["right in documents first alone"] == 1
    assert compared["McNemar's p"] == 1
    assert compared["low"] <= 0
    assert {(row["turn"], row["layout"]): row["right"] for row in rows(answers)} == {
        ("first", FIRST): 0,
        ("first", KEPT): 1,
        ("later", FIRST): 1,
        ("later", KEPT): 1,
        ("again", FIRST): 1,
        ("again", KEPT): 1,
    }
