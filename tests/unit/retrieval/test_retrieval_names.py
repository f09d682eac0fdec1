"""Names of retrievals in Redis: equal only for equal keys, matched by patterns of their own scope only."""

import fnmatch
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.document_labels import document_filter
from deployments.core.documents import SearchQuery
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.retrieval.cached_retriever import RetrievalKey
from deployments.retrieval.retrieval_store import retrieval_field, retrievals_name, retrievals_pattern
from deployments.token_cache.keys import segments_pattern

# Few characters, so that one name is often the start of another.
tenants = st.from_regex(r"[aA0][a._-]{0,2}", fullmatch=True).map(TenantId)
collections = st.from_regex(r"[ab][a_0]{0,2}", fullmatch=True).map(CollectionName)
scopes = st.builds(Scope, tenants, collections)
few_letters = st.text("ab", max_size=2)
few_letters = st.text("ab", max_size=2)
filters = st.builds(
    document_filter,
    st.dictionaries(
        st.sampled_from("ab"),
        few_letters | st.lists(few_letters, min_size=1, max_size=3),
        max_size=2,
    ),
    st.none() | st.lists(st.sampled_from(["a", "b/a"]), min_size=1, max_size=3),
)
retrieval_keys = st.builds(
    RetrievalKey,
    st.builds(
        SearchQuery,
        scopes,
        st.text(max_size=3),
        st.integers(1, 12),
        st.none() | st.text(max_size=3),
        filters,
        talk=st.lists(st.text(max_size=2), max_size=2).map(tuple),
        further=st.integers(0, 12),
    ),
    st.text("ab", max_size=2),
    st.text("ab", max_size=2),
)


def place(key: RetrievalKey) -> tuple[str, str]:
    """The Redis key and the field of an entry."""
    return retrievals_name(key.query.scope), retrieval_field(key)


@given(retrieval_keys, retrieval_keys)
def test_two_retrievals_share_a_place_exactly_when_all_that_decides_them_is_equal(one, other):
    assert (place(one) == place(other)) == (one == other)


@given(retrieval_keys, retrieval_keys, st.sampled_from([field.name for field in fields(SearchQuery)]))
def test_each_field_of_a_query_decides_the_place(one, other, name):
    mixed = replace(one, query=replace(one.query, **{name: getattr(other.query, name)}))
    assert (place(one) == place(mixed)) == (one == mixed)


@given(scopes, scopes)
def test_a_pattern_of_retrievals_matches_its_own_tenant_s_only(asked, stored):
    name = retrievals_name(stored)
    assert fnmatch.fnmatchcase(name, retrievals_pattern(asked.tenant)) == (asked.tenant == stored.tenant)
    assert not fnmatch.fnmatchcase(name, segments_pattern(stored.tenant, None))
