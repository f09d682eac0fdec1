"""Tenants share an engine by tokens, whatever they send."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.engine.fair_queue import FairQueue

TENANTS = st.sampled_from(["a", "b", "c", "d"])
TOKENS = st.integers(1, 1000)


@pytest.mark.parametrize(("tenants", "running"), [(1, 16), (2, 18), (3, 19), (5, 20)])
def test_seats_stay_free_for_a_tenant_that_has_none(tenants: int, running: int) -> None:
    """The more tenants fill the engine, the fewer."""
    queue: FairQueue[str] = FairQueue(20)
    for tenant in "abcde"[:tenants]:
        for _ in range(100):
            queue.add(tenant, 10, tenant)
    started = 0
    while queue.start():
        started += 1
    assert started == running


@pytest.mark.parametrize("seats", range(1, 40))
def test_a_lone_request_starts_at_once(seats: int) -> None:
    """And a lone tenant gets four fifths of the seats, at least one."""
    queue: FairQueue[str] = FairQueue(seats)
    for _ in range(2 * seats):
        queue.add("a", 10, "a")
    started = 0
    while queue.start():
        started += 1
    assert started == -(-4 * seats // 5)


@given(
    costs=st.dictionaries(TENANTS, st.lists(TOKENS, min_size=60, max_size=60), min_size=2, max_size=4),
    seats=st.integers(1, 8),
)
def test_tenants_that_always_wait_get_the_same_tokens(costs: dict[str, list[int]], seats: int) -> None:
    """To within two of the largest requests for each seat, however large their requests are."""
    queue: FairQueue[tuple[str, int]] = FairQueue(seats)
    for tenant, sizes in costs.items():
        for tokens in sizes:
            queue.add(tenant, tokens, (tenant, tokens))
    waiting = Counter({tenant: len(sizes) for tenant, sizes in costs.items()})
    served: Counter[str] = Counter()
    running: list[tuple[str, int]] = []
    while all(waiting[tenant] for tenant in costs):
        started = queue.start()
        if started is None:
            queue.end(*running.pop(0), 0)
            continue
        tenant, tokens = started[0]
        running.append((tenant, started[1]))
        waiting[tenant] -= 1
        served[tenant] += tokens
        shares = [served[name] for name in costs]
        assert max(shares) - min(shares) <= 2 * 1000 * (seats + 1)


@given(backlog=st.integers(1, 200), tokens=TOKENS)
def test_a_tenant_that_comes_is_next(backlog: int, tokens: int) -> None:
    """However much another one has queued and got."""
    queue: FairQueue[str] = FairQueue(1)
    for _ in range(backlog):
        queue.add("flood", 500, "flood")
    queue.start()
    queue.add("quiet", tokens, "quiet")
    assert queue.start() is None
    queue.end("flood", 0, 0)
    started = queue.start()
    assert started is not None
    assert started[0] == "quiet"


@given(backlog=st.integers(1, 100), seats=st.integers(2, 30))
def test_a_tenant_that_comes_precedes_what_the_engine_has_not_begun(backlog: int, seats: int) -> None:
    """Its tag is the smallest, though another one's requests already have seats."""
    queue: FairQueue[str] = FairQueue(seats)
    for _ in range(backlog):
        queue.add("flood", 500, "flood")
    tags = []
    while (started := queue.start()) is not None:
        tags.append(started[1])
    queue.add("quiet", 10, "quiet")
    if (started := queue.start()) is not None:
        assert started == ("quiet", min(tags))


def test_a_pause_earns_nothing() -> None:
    """A tenant that comes back takes turns from now on."""
    queue: FairQueue[str] = FairQueue(1)
    for tenant in "aaaa":
        queue.add(tenant, 100, tenant)
    for _ in range(3):
        started = queue.start()
        assert started is not None
        queue.end("a", started[1], 0)
    for _ in range(3):
        queue.add("b", 100, "b")
        queue.add("a", 100, "a")
    order = []
    while (started := queue.start()) is not None:
        order.append(started[0])
        queue.end(*started, 0)
    assert "".join(order) in {"babababa", "baababa", "bababaa", "abababa"}


def test_what_a_request_did_not_use_is_given_back() -> None:
    """So answers that end early do not count as if they were long."""
    queue: FairQueue[str] = FairQueue(1)
    for tenant in ("a", "b", "a", "a", "b"):
        queue.add(tenant, 1000, tenant)
    order = []
    while (started := queue.start()) is not None:
        order.append(started[0])
        queue.end(*started, 990 if started[0] == "a" else 0)
    assert order == ["a", "b", "a", "a", "b"]


@given(st.lists(st.tuples(TENANTS, TOKENS, st.booleans()), max_size=80))
def test_nothing_is_kept_of_tenants_without_requests(calls: list[tuple[str, int, bool]]) -> None:
    """And tags start from zero again: an idle engine has no past."""
    queue: FairQueue[object] = FairQueue(3)
    running: list[tuple[str, int]] = []
    waiting: dict[int, tuple[str, object]] = {}
    for tenant, tokens, withdraws in calls:
        item = object()
        queue.add(tenant, tokens, item)
        waiting[id(item)] = (tenant, item)
        if withdraws:
            queue.withdraw(tenant, item)
            del waiting[id(item)]
        elif (started := queue.start()) is not None:
            running.append((waiting.pop(id(started[0]))[0], started[1]))
    while running or waiting:
        while (started := queue.start()) is not None:
            running.append((waiting.pop(id(started[0]))[0], started[1]))
        queue.end(*running.pop(), 0)
    assert queue.tenants == 0
    queue.add("a", 5, "x")
    assert queue.start() == ("x", 0)
