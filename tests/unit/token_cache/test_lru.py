"""L1 against a model: the same results, and never more bytes than allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.token_ids import TokenIds, token_ids
from deployments.token_cache.lru import ENTRY_OVERHEAD_BYTES, SegmentLru

SCOPES = [
    Scope(TenantId(tenant), CollectionName(collection))
    for tenant in ("a", "ab")
    for collection in ("kb", "kb2")
]
MAX_BYTES = 4 * ENTRY_OVERHEAD_BYTES + 400
names = st.tuples(st.sampled_from(SCOPES), st.sampled_from("pqrstu").map(SegmentKey))


class LruAgainstModel(RuleBasedStateMachine):
    """The model is a list of entries, least recently used first."""

    def __init__(self) -> None:
        super().__init__()
        self.lru = SegmentLru(MAX_BYTES)
        self.model: list[tuple[Scope, SegmentKey, TokenIds]] = []

    def _take(self, scope: Scope, key: SegmentKey) -> TokenIds | None:
        for entry in self.model:
            if entry[:2] == (scope, key):
                self.model.remove(entry)
                return entry[2]
        return None

    def _size(self) -> int:
        return sum(ENTRY_OVERHEAD_BYTES + 4 * len(ids) for _, _, ids in self.model)

    @rule(name=names, count=st.integers(0, 150))
    def put(self, name: tuple[Scope, SegmentKey], count: int) -> None:
        ids = token_ids(range(count))
        self.lru.put(*name, ids)
        self._take(*name)
        self.model.append((*name, ids))
        while self._size() > MAX_BYTES:
            self.model.pop(0)

    @rule(name=names)
    def get(self, name: tuple[Scope, SegmentKey]) -> None:
        ids = self._take(*name)
        assert self.lru.get(*name) == ids
        if ids is not None:
            self.model.append((*name, ids))

    @rule(scope=st.sampled_from(SCOPES), whole_tenant=st.booleans())
    def clear(self, scope: Scope, whole_tenant: bool) -> None:
        def doomed(other: Scope) -> bool:
            return other.tenant == scope.tenant if whole_tenant else other == scope

        expected = sum(doomed(entry[0]) for entry in self.model)
        assert self.lru.clear(scope.tenant, None if whole_tenant else scope.collection) == expected
        self.model = [entry for entry in self.model if not doomed(entry[0])]

    @precondition(lambda self: self.model)
    @rule()
    def put_one_larger_than_all(self) -> None:
        scope, key, _ = self.model[-1]
        self.lru.put(scope, key, token_ids(range(MAX_BYTES)))
        self._take(scope, key)

    @invariant()
    def counts_agree_and_fit(self) -> None:
        assert self.lru.bytes_used == self._size() <= MAX_BYTES
        assert len(self.lru) == len(self.model)


TestLruAgainstModel = LruAgainstModel.TestCase


@given(st.lists(names, max_size=30))
def test_a_cache_without_room_keeps_nothing(puts):
    lru = SegmentLru(0)
    for scope, key in puts:
        lru.put(scope, key, token_ids([1]))
        assert lru.get(scope, key) is None
    assert lru.bytes_used == 0
