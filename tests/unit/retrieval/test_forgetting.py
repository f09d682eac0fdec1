"""When texts leave a process, and which."""

from __future__ import annotations

import asyncio

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.salt import salt_scope
from deployments.retrieval.forgetting import Forgetting

KB, DOCS = CollectionName("kb"), CollectionName("docs")
A_KB, A_DOCS, B_KB = Scope(TenantId("a"), KB), Scope(TenantId("a"), DOCS), Scope(TenantId("b"), KB)
ALL = {A_KB, A_DOCS, B_KB}


class Cache:
    """Something that keeps texts of scopes."""

    def __init__(self) -> None:
        self.kept = set(ALL)
        self.passes = 0
        self.forgetting = Forgetting(self.forget, after_s=0.01)

    def forget(self, matches):
        self.passes += 1
        self.kept = {scope for scope in self.kept if not matches(scope)}

    async def later(self) -> None:
        await asyncio.sleep(0.03)


async def test_a_change_drops_its_scope_in_a_moment() -> None:
    """Not at once: a request that runs now might put it back."""
    cache = Cache()
    cache.forgetting.changed(A_KB)
    assert cache.kept == ALL
    await cache.later()
    assert cache.kept == {A_DOCS, B_KB}


async def test_many_changes_cause_one_pass() -> None:
    """A pass looks at each entry."""
    cache = Cache()
    for _ in range(100):
        cache.forgetting.changed(A_KB)
        cache.forgetting.changed(B_KB)
    await cache.later()
    assert (cache.passes, cache.kept) == (1, {A_DOCS})


async def test_an_erasure_drops_the_whole_tenant_at_once_and_what_comes_back() -> None:
    """A request that runs meanwhile puts back what it had found."""
    cache = Cache()
    cache.forgetting.changed(salt_scope(A_KB.tenant))
    assert cache.kept == {B_KB}
    cache.kept.add(A_DOCS)
    await cache.later()
    assert cache.kept == {B_KB}


async def test_a_later_change_has_its_own_pass() -> None:
    """What was due before is over."""
    cache = Cache()
    cache.forgetting.changed(A_KB)
    await cache.later()
    cache.kept = set(ALL)
    cache.forgetting.changed(B_KB)
    await cache.later()
    assert cache.kept == {A_KB, A_DOCS}
