"""Reciprocal rank fusion, and the order by groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.fusion import RRF_K, best_of_groups, each_first, fuse

RANKING = st.lists(st.integers(0, 30), unique=True, max_size=15)


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    assert dict(fuse([["a", "b"], ["b"]])) == {
        "a": pytest.approx(1 / (RRF_K + 1)),
        "b": pytest.approx(1 / (RRF_K + 2) + 1 / (RRF_K + 1)),
    }


def test_of_equal_scores_the_earlier_ranking_comes_first() -> None:
    assert [item for item, _ in fuse([["a"], ["b"]])] == ["a", "b"]
    assert [item for item, _ in fuse([["a", "b"], ["b", "a"]])] == ["a", "b"]


@given(st.lists(RANKING, max_size=4))
def test_every_item_comes_once_and_best_first(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    items = [item for item, _ in fused]
    assert sorted(items) == sorted(set().union(*rankings))
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert fuse(rankings) == fused


@given(RANKING)
def test_one_ranking_keeps_its_order(ranking: list[int]) -> None:
    assert [item for item, _ in fuse([ranking, []])] == ranking


@given(RANKING, RANKING)
def test_an_item_that_is_first_in_both_rankings_wins(first: list[int], second: list[int]) -> None:
    assert fuse([[99, *first], [99, *second]])[0][0] == 99


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=15))
def test_the_first_of_each_group_comes_before_the_others_and_all_keep_their_order(
    items: list[tuple[int, int]],
) -> None:
    groups = [group for group, _ in items]
    numbered = list(enumerate(items))
    ordered = each_first(numbered, lambda entry: entry[1][0])
    front, back = ordered[: len(set(groups))], ordered[len(set(groups)) :]
    assert sorted(ordered) == numbered
    assert front == sorted(front)
    assert back == sorted(back)
    assert all(position == groups.index(group) for position, (group, _) in front)


@given(st.lists(st.integers(0, 4), max_size=20), st.integers(0, 6), st.integers(0, 6))
def test_further_items_are_of_the_groups_of_the_best(groups: list[int], top: int, further: int) -> None:
    numbered = list(enumerate(groups))
    chosen = best_of_groups(numbered, lambda entry: entry[1], top, further)
    best, others = chosen[:top], chosen[top:]
    assert best == each_first(numbered, lambda entry: entry[1])[:top]
    left = [entry for entry in numbered if entry not in best and entry[1] in {group for _, group in best}]
    assert others == left[:further]
