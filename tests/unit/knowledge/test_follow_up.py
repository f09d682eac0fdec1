"""How much of a search a question alone decides, and how much its talk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import SearchQuery
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.knowledge.follow_up import own_share, points_back, searched_texts, weigh
from deployments.knowledge.vectors import Similarities

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
cosines = st.floats(-1, 1, width=32)


def alike(*chunks: float) -> Similarities:
    """Similarities of chunks, each of a document that is as similar."""
    return Similarities(np.array(chunks, np.float32), np.array(chunks, np.float32))


def test_a_question_without_a_talk_is_one_text():
    """With one, the earlier questions and the question are another."""
    assert searched_texts(SearchQuery(SCOPE, "why?", 5)) == ["why?"]
    texts = searched_texts(SearchQuery(SCOPE, "why?", 5, talk=("How many seats?", "and Team?")))
    assert texts == ["why?", "How many seats? and Team? why?"]


def test_without_a_talk_similarities_are_the_question_s_own():
    """The very array."""
    own = alike(0.1, 0.7)
    weighed = weigh(["why?"], [own])
    assert weighed.similarities is own
    assert weighed.text == "why?"


def test_an_empty_collection_has_nothing_to_weigh():
    """No chunk, no similarity."""
    nothing = alike()
    assert len(weigh(["why?", "seats why?"], [nothing, nothing]).similarities.chunks) == 0


def test_a_vague_question_is_decided_by_its_talk():
    """Its own words still choose between documents that the talk finds alike."""
    alone, in_talk = alike(0.1, 0.0, 0.2), alike(0.6, 0.6, 0.1)
    weighed = weigh(["and Team?", "seats and Team?"], [alone, in_talk])
    assert np.argsort(-weighed.similarities.chunks).tolist() == [0, 1, 2]
    assert np.array_equal(weighed.similarities.documents, weighed.similarities.chunks)
    assert weighed.text == "seats and Team?"


def test_a_new_topic_is_decided_by_the_question():
    """Although its talk still finds the old topic."""
    alone, in_talk = alike(0.1, 0.7), alike(0.6, 0.4)
    weighed = weigh(["How do I turn on dark mode?", "seats How do I turn on dark mode?"], [alone, in_talk])
    assert np.argmax(weighed.similarities.chunks) == 1
    assert weighed.text == "How do I turn on dark mode?"


@given(st.text(max_size=80), cosines, cosines)
def test_the_share_is_a_weight(question, alone, in_talk):
    """Never below 0.3, never above 1, whatever the similarities."""
    assert 0.3 <= own_share(question, alone, in_talk) <= 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_the_better_a_question_matches_alone_the_more_it_counts(one, other, in_talk):
    """And the more words it has; words that point back make it count less."""
    low, high = sorted([one, other])
    assert own_share("dark mode", low, in_talk) <= own_share("dark mode", high, in_talk)
    assert own_share("dark mode", one, in_talk) <= own_share("dark mode colour theme", one, in_talk)
    assert own_share("its dark mode", one, in_talk) <= own_share("dark mode", one, in_talk)


@pytest.mark.parametrize(
    "question", ["and Business?", "Why?", "yes, on a Mac", "How do I change that?", "I meant the yearly one"]
)
def test_words_that_point_back(question):
    """They continue a talk, or stand for something named before."""
    assert points_back(question)


@pytest.mark.parametrize("question", ["", "?", "How do I turn on dark mode?", "plans and prices", "und nun?"])
def test_words_that_do_not(question):
    """Only English is known; other languages are judged by their similarities."""
    assert not points_back(question)
