"""Tenants' limits are stored, read and audited, on every database."""

from __future__ import annotations

import pytest

from deployments.access.key_store import KeyStore
from deployments.access.limit_store import LimitStore
from deployments.core.access import Actor
from deployments.core.ids import TenantId
from deployments.core.quotas import RULES, Quota
from tests.fakes import FakeClock

ACME, OTHER = TenantId("acme"), TenantId("other")
BY = Actor("key-of-the-operator", "req-1")
REQUESTS, TOKENS = Quota.REQUESTS_PER_MINUTE, Quota.PROMPT_TOKENS_PER_DAY
DEFAULTS = {quota: rule.default for quota, rule in RULES.items()}


@pytest.fixture
def limits(store: KeyStore, clock: FakeClock) -> LimitStore:
    return LimitStore(store.database, clock, store.new_record_id)


async def test_a_tenant_without_limits_has_the_defaults(limits: LimitStore) -> None:
    """And nothing is stored for it."""
    assert await limits.limits(ACME) == DEFAULTS
    assert await limits.limit_changes(0.0) == ()


async def test_limits_are_set_for_one_tenant_and_taken_back(limits: LimitStore) -> None:
    """None sets the default again; 0 is a limit."""
    assert await limits.set_limits(BY, ACME, {REQUESTS: 0, TOKENS: 7}) == DEFAULTS | {REQUESTS: 0, TOKENS: 7}
    assert await limits.limits(OTHER) == DEFAULTS
    assert await limits.set_limits(BY, ACME, {TOKENS: None}) == DEFAULTS | {REQUESTS: 0}
    assert await limits.limits(ACME) == DEFAULTS | {REQUESTS: 0}


async def test_changes_are_seen_from_a_time_on(limits: LimitStore, clock: FakeClock) -> None:
    """Also a limit that was taken back."""
    await limits.set_limits(BY, ACME, {REQUESTS: 1, TOKENS: 2})
    first_s = clock.now_s
    clock.pass_s(10)
    await limits.set_limits(BY, ACME, {TOKENS: None})
    assert {(c.quota, c.limit) for c in await limits.limit_changes(first_s)} == {
        (REQUESTS, 1),
        (TOKENS, None),
    }
    (latest,) = await limits.limit_changes(first_s + 1)
    assert (latest.tenant, latest.quota, latest.limit, latest.changed_at_s) == (
        ACME,
        TOKENS,
        None,
        clock.now_s,
    )


async def test_a_change_is_audited(limits: LimitStore, store: KeyStore) -> None:
    """With its values."""
    await limits.set_limits(BY, ACME, {REQUESTS: 5, TOKENS: None})
    (entry,) = await store.audit(BY, ACME, 10, None)
    assert (entry.action, entry.key_id) == ("quotas.set", BY.key_id)
    assert entry.subject == "requests_per_minute=5 prompt_tokens_per_day=default"
