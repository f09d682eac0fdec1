"""What every HotPaths does."""

from __future__ import annotations

import pytest

from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.token_cache.path_scores import HALF_LIFE_S, PATH_SEGMENTS, REFERENCE_UNIX_S
from tests.fakes import FakeClock

A = Scope(TenantId("a"), CollectionName("kb"))
A2 = Scope(TenantId("a"), CollectionName("kb2"))
AB = Scope(TenantId("ab"), CollectionName("kb"))


def key(number: int) -> SegmentKey:
    return SegmentKey(f"{number:048x}")


def path(*numbers: int) -> tuple[SegmentKey, ...]:
    return tuple(map(key, numbers))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(REFERENCE_UNIX_S + 3e7)


async def test_paths_are_counted_in_their_order_hottest_first(stores, clock):
    paths = stores.paths(clock=clock)
    assert await paths.hottest(9) == []
    await paths.record({A: [path(1, 2), path(2, 1), path(1, 2)], A2: [path(3)] * 4, AB: []})
    await paths.record({A: [path(1, 2)]})
    await paths.record({})
    found = await paths.hottest(9)
    assert [(one.scope, one.keys) for one in found] == [(A2, path(3)), (A, path(1, 2)), (A, path(2, 1))]
    assert [one.heat for one in found] == pytest.approx([4, 3, 1])
    assert [one.keys for one in await paths.hottest(1)] == [path(3)]
    assert await paths.hottest(0) == []


async def test_a_tenant_gets_its_own_only(stores, clock):
    paths = stores.paths(clock=clock)
    await paths.record({A: [path(1)], A2: [path(2)] * 2, AB: [path(3)] * 3})
    assert [one.scope for one in await paths.hottest(9, A.tenant)] == [A2, A]
    assert [one.scope for one in await paths.hottest(9, AB.tenant)] == [AB]
    assert await paths.hottest(9, TenantId("b")) == []


async def test_new_uses_weigh_more_than_old_ones(stores, clock):
    paths = stores.paths(clock=clock)
    await paths.record({A: [path(1)] * 3})
    clock.pass_s(HALF_LIFE_S)
    await paths.record({A: [path(2)] * 2})
    found = await paths.hottest(9)
    assert [one.keys for one in found] == [path(2), path(1)]
    assert [one.heat for one in found] == pytest.approx([2, 1.5])


async def test_paths_with_the_same_first_segments_are_one_path(stores, clock):
    paths = stores.paths(clock=clock)
    await paths.record({A: [path(*range(12)), path(*range(PATH_SEGMENTS), 99), ()]})
    (only,) = await paths.hottest(9)
    assert only.keys == path(*range(PATH_SEGMENTS))
    assert only.heat == pytest.approx(2)


async def test_a_scope_keeps_its_hottest_paths(stores, clock):
    paths = stores.paths(clock=clock, kept=8)
    await paths.record({A: [path(n) for n in range(10) for _ in range(n + 1)]})
    assert len(await paths.hottest(99)) == 10, "a quarter more is not trimmed"
    await paths.record({A: [path(10)] * 11})
    assert {one.keys for one in await paths.hottest(99)} == {path(n) for n in range(3, 11)}


async def test_the_hottest_scopes_are_kept(stores, clock):
    paths = stores.paths(clock=clock, kept_scopes=4)
    scopes = [Scope(TenantId(f"t{number}"), A.collection) for number in range(6)]
    for number, scope in enumerate(scopes):
        await paths.record({scope: [path(1)] * (number + 1)})
    assert {one.scope for one in await paths.hottest(99)} == set(scopes[2:])


async def test_paths_do_not_expire(stores, clock):
    paths = stores.paths(clock=clock)
    await paths.record({A: [path(1)]})
    await stores.advance(10 * 365 * 86_400)
    assert len(await paths.hottest(9)) == 1


async def test_scores_stay_finite_after_any_time(stores, clock):
    paths = stores.paths(clock=clock)
    clock.pass_s(1e12)
    await paths.record({A: [path(1), path(1), path(2)]})
    assert [one.heat for one in await paths.hottest(9)] == pytest.approx([2, 1])


async def test_successors_get_the_scores_of_the_segments_that_they_replace(stores, clock):
    paths = stores.paths(clock=clock)
    await paths.record({A: [path(1, 2), path(1, 2), path(3)], AB: [path(1)]})
    await paths.record({A: [path(1, 4)]})
    await paths.replace(A, {key(2): key(4), key(9): key(8), key(3): key(3)})
    found = {one.keys: one.heat for one in await paths.hottest(9, A.tenant)}
    assert found == {path(1, 4): pytest.approx(3), path(3): pytest.approx(1)}
    assert [one.keys for one in await paths.hottest(9, AB.tenant)] == [path(1)]
    await paths.replace(A2, {key(1): key(2)})
    await paths.replace(A, {})
