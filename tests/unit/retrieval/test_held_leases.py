"""Which states a holder accepts, and for how long."""

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import LEASE_S, Lease
from deployments.retrieval.held_leases import KEPT_SCOPES, HeldLeases
from tests.fakes import FakeClock

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))


def a_lease(generation: int, lease_s: float = LEASE_S) -> Lease:
    return Lease(generation, f"state {generation}", lease_s)


def scope_of(number: int) -> Scope:
    return Scope(TenantId(f"t{number}"), CollectionName("kb"))


def test_a_lease_ends_by_the_time_at_which_it_was_asked_for() -> None:
    clock = FakeClock()
    held = HeldLeases(clock)
    sent_s = clock()
    clock.pass_s(LEASE_S - 0.5)
    held.accept(SCOPE, a_lease(1), sent_s)
    assert held.state(SCOPE) == "state 1"
    clock.pass_s(0.5)
    assert held.state(SCOPE) is None


def test_an_answer_that_comes_late_shortens_no_lease() -> None:
    clock = FakeClock()
    held = HeldLeases(clock)
    early_s = clock()
    clock.pass_s(1.5)
    held.accept(SCOPE, a_lease(1), clock())
    held.accept(SCOPE, a_lease(1), early_s)
    held.accept(SCOPE, a_lease(1, 0.0), clock())
    clock.pass_s(1.0)
    assert held.state(SCOPE) == "state 1"


def test_a_refused_lease_ends_those_on_older_generations() -> None:
    held = HeldLeases(clock := FakeClock())
    held.accept(SCOPE, a_lease(1), clock())
    assert held.accept(SCOPE, a_lease(2, 0.0), clock())
    assert held.state(SCOPE) is None
    assert held.known(30.0) == {SCOPE: 2}


def test_older_generations_are_accepted_when_no_earlier_call_can_bring_them() -> None:
    """Results from a database that was replaced by an older copy are kept again."""
    held = HeldLeases(clock := FakeClock())
    held.accept(SCOPE, a_lease(9), clock())
    clock.pass_s(LEASE_S - 0.1)
    held.accept(SCOPE, a_lease(1), clock())
    assert held.known(30.0) == {SCOPE: 9}
    sent_s = clock()
    clock.pass_s(LEASE_S)
    held.accept(SCOPE, a_lease(1), sent_s)
    assert held.known(30.0) == {SCOPE: 9}
    held.accept(SCOPE, a_lease(1), clock())
    assert held.state(SCOPE) == "state 1"


def test_unused_scopes_are_not_watched() -> None:
    held = HeldLeases(clock := FakeClock())
    held.accept(SCOPE, a_lease(1), clock())
    held.accept(scope_of(0), a_lease(1), clock())
    clock.pass_s(20)
    held.state(SCOPE)
    clock.pass_s(20)
    assert held.known(30.0) == {SCOPE: 1}


def test_the_least_recently_used_scopes_are_forgotten_when_their_leases_have_run_out() -> None:
    held = HeldLeases(clock := FakeClock())
    for number in range(KEPT_SCOPES + 10):
        held.accept(scope_of(number), a_lease(1), clock())
    assert len(held.known(30.0)) == KEPT_SCOPES + 10
    clock.pass_s(LEASE_S)
    held.state(scope_of(0))
    held.accept(SCOPE, a_lease(1), clock())
    known = held.known(30.0)
    assert len(known) == KEPT_SCOPES
    assert {SCOPE, scope_of(0)} <= known.keys()
