"""Full text ranks by what is exact first, then by rare words and by places."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.fulltext import Found, Place
from deployments.knowledge.search_terms import Term
from deployments.knowledge.text_ranking import TextRanking, rank


def ranked(found: dict[str, list[int]], chunks: int = 100, identifiers: str = "") -> TextRanking:
    """Ranks chunks found for words, all of them somewhere."""
    places = {(word, Place.ANYWHERE): np.array(ids, np.int64) for word, ids in found.items() if ids}
    return rank([Term(word, word in identifiers.split()) for word in found], places, chunks)


def test_nothing_found_is_ranked_as_nothing() -> None:
    assert ranked({"a": []}) == TextRanking([], {})


def test_a_rare_word_counts_more_than_several_frequent_ones() -> None:
    assert ranked({"rare": [7], "one": [*range(5)], "two": [*range(60)]}).chunk_ids[0] == 7


def test_a_title_counts_more_than_a_heading_and_that_more_than_a_body() -> None:
    places = {Place.ANYWHERE: [0, 1, 2], Place.HEADING: [1], Place.TITLE: [2]}
    found: Found = {("word", place): np.array(ids) for place, ids in places.items()}
    assert rank([Term("word", False)], found, 9).chunk_ids == [2, 1, 0]


def test_chunks_that_spell_more_identifiers_come_first() -> None:
    result = ranked({"e08": [2, 3], "e09": [3], "lamp": [1]}, identifiers="e08 e09")
    assert result.chunk_ids == [3, 2, 1]
    assert result.exact_matches == {2: 1, 3: 2}


def test_an_identifier_that_many_chunks_have_counts_as_a_word() -> None:
    year, quokka = [*range(400)], [*range(390, 400)]
    assert ranked({"2023": year}, 1000, identifiers="2023").exact_matches == {}
    assert set(ranked({"2023": year, "quokka": quokka}, 1000, identifiers="2023").exact_matches) == {*quokka}


def test_without_identifiers_a_chunk_must_have_all_rare_words() -> None:
    often = [*range(50)]
    assert ranked({"quokka": [7], "change": often}).exact_matches == {7: 1}
    assert ranked({"quokka": [7], "wombat": [8], "change": often}).exact_matches == {}
    assert ranked({"quokka": [7, 8], "wombat": [8], "change": often}).exact_matches == {8: 1}


def test_a_rare_word_that_no_chunk_has_means_another_topic() -> None:
    assert ranked({"sourdough": [], "capital": [7]}).exact_matches == {}


def test_frequent_words_alone_spell_nothing() -> None:
    assert ranked({"change": [*range(50)]}).exact_matches == {}


IDS = st.lists(st.integers(1, 40), unique=True).map(sorted)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), IDS), st.integers(0, 60))
def test_each_chunk_is_ranked_once_and_the_order_does_not_depend_on_that_of_terms(
    found: dict[str, list[int]], chunks: int
) -> None:
    result = ranked(found, chunks, identifiers="a")
    assert sorted(result.chunk_ids) == sorted({id_ for ids in found.values() for id_ in ids})
    assert ranked(dict(reversed(found.items())), chunks, identifiers="a") == result
    exact = [result.exact_matches.get(id_, 0) for id_ in result.chunk_ids]
    assert exact == sorted(exact, reverse=True)
