"""Lifetimes by collection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import CollectionName, collection_name
from deployments.core.retrievals import Rhythm
from deployments.token_cache.ttl import LEAST_RETRIEVAL_TTL_S, TTL_S, retrieval_ttl_s, segment_ttl_s

intervals = st.none() | st.floats(0, 1e9)
collections = st.sampled_from([*TTL_S, CollectionName("own")])


@pytest.mark.parametrize(
    ("collection", "ttl_s"),
    [("support_kb", 3600), ("business_templates", 3600), ("documentation", 7200), ("own", 3600)],
)
def test_each_collection_has_the_lifetime_of_its_agent(collection, ttl_s):
    assert segment_ttl_s(collection_name(collection)) == ttl_s


def test_an_override_wins_for_its_collection_only():
    overrides = {collection_name("documentation"): 60, collection_name("own"): 5}
    found = [segment_ttl_s(collection_name(c), overrides) for c in ("documentation", "own", "support_kb")]
    assert found == [60, 5, 3600]


@given(collections, intervals, intervals)
def test_a_retrieval_s_lifetime_stays_between_its_bounds(collection, reuse_s, update_s):
    ttl_s = retrieval_ttl_s(collection, Rhythm(reuse_s, update_s))
    assert LEAST_RETRIEVAL_TTL_S <= ttl_s <= segment_ttl_s(collection)


@given(collections, st.floats(0, 1e6), st.floats(0, 1e6), intervals)
def test_what_is_asked_for_more_rarely_is_not_kept_shorter(collection, one_s, other_s, update_s):
    less_s, more_s = sorted((one_s, other_s))
    often, rarely = (retrieval_ttl_s(collection, Rhythm(reuse, update_s)) for reuse in (less_s, more_s))
    assert often <= rarely <= retrieval_ttl_s(collection, Rhythm(None, update_s))


@given(collections, intervals, st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_changes_more_often_is_not_kept_longer(collection, reuse_s, one_s, other_s):
    less_s, more_s = sorted((one_s, other_s))
    often, rarely = (retrieval_ttl_s(collection, Rhythm(reuse_s, update)) for update in (less_s, more_s))
    assert often <= rarely <= retrieval_ttl_s(collection, Rhythm(reuse_s))
    assert often <= max(less_s + 1, LEAST_RETRIEVAL_TTL_S)


@pytest.mark.parametrize(
    ("reuse_s", "update_s", "ttl_s"),
    [(None, None, 3600), (100, None, 400), (100, 300, 300), (1, None, 60), (5000, 9000, 3600), (100, 1, 60)],
)
def test_a_retrieval_lives_for_some_reuses_or_until_the_next_update(reuse_s, update_s, ttl_s):
    assert retrieval_ttl_s(CollectionName("support_kb"), Rhythm(reuse_s, update_s)) == ttl_s
