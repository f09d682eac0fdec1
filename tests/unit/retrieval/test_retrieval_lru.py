"""The first level keeps within its bytes, keeps one state of a query, and clears one tenant only."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.retrieval.retrieval_lru import RetrievalLru
from tests.fakes import a_passage


def query_of(number: int, tenant: str = "acme", collection: str = "kb") -> SearchQuery:
    return SearchQuery(Scope(TenantId(tenant), CollectionName(collection)), f"question {number}", 5)


def retrieval_of(size: int, state: str = "state") -> Retrieval:
    return Retrieval((a_passage(0, body="x" * size),), 1, state)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5000), st.booleans())))
def test_it_never_holds_more_than_its_bytes_and_keeps_what_was_used_last(steps):
    lru = RetrievalLru(12_000)
    for number, size, only_reads in steps:
        if only_reads:
            lru.get(query_of(number), "state")
        else:
            lru.put(query_of(number), retrieval_of(size), 0.0)
            found = lru.get(query_of(number), "state")
            assert found is not None
            assert found.retrieval == retrieval_of(size)
        assert lru.bytes_used <= 12_000
    for number in range(10):
        lru.put(query_of(number), retrieval_of(20_000), 0.0)
    assert (len(lru), lru.bytes_used) == (0, 0)


def test_an_entry_counts_in_its_state_only():
    lru = RetrievalLru(10_000)
    lru.put(query_of(1), retrieval_of(10, "old"), 0.0)
    assert lru.get(query_of(1), "new") is None
    lru.put(query_of(1), retrieval_of(20, "new"), 0.0)
    assert lru.get(query_of(1), "old") is None
    assert len(lru) == 1


def test_clearing_drops_one_tenant_s_entries_of_one_collection_or_all():
    lru = RetrievalLru(100_000)
    for tenant, collection in (("a", "kb"), ("a", "docs"), ("b", "kb")):
        lru.put(query_of(1, tenant, collection), retrieval_of(10), 0.0)
    assert lru.clear(TenantId("a"), CollectionName("docs")) == 1
    assert lru.clear(TenantId("a"), None) == 1
    assert lru.get(query_of(1, "b", "kb"), "state") is not None
    assert lru.clear(TenantId("b"), None) == 1
    assert lru.bytes_used == 0
