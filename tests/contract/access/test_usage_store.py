"""Usage is added once and summed, on every database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.access.key_store import KeyStore
from deployments.access.usage_store import UsageStore
from deployments.core.ids import TenantId
from deployments.core.usage import MAX_DAYS, Account, Amounts, UsageBatch, UsageField, UsageQuery

ACME, OTHER = TenantId("acme"), TenantId("other")
ONE = Amounts(1, 20, 300, 4000)
DAY = 20_000
EVERYTHING = UsageQuery(0, 10**6, (), None)


@pytest.fixture
def usage(store: KeyStore) -> UsageStore:
    return UsageStore(store.database)


def batch(number: int, *accounts: Account, day: int = DAY, writer: str = "one") -> UsageBatch:
    return UsageBatch(writer, number, day, [(replace(account, day=day), ONE) for account in accounts])


def account(tenant: TenantId = ACME, key: str = "k", agent: str = "support") -> Account:
    return Account(DAY, tenant, key, agent)


async def test_a_batch_is_added_once_however_often_it_is_sent(usage: UsageStore) -> None:
    """Writers have numbers of their own."""
    for number in (1, 1, 2, 1, 2):
        await usage.record_usage(batch(number, account()))
    await usage.record_usage(batch(1, account(), writer="other"))
    (found,) = await usage.usage(EVERYTHING)
    assert found.amounts == ONE + ONE + ONE


async def test_batches_of_many_writers_at_once_are_all_added(usage: UsageStore) -> None:
    """To the same rows, in any order."""
    accounts = [account(agent=agent) for agent in ("a", "b", "c")]
    sent = (batch(1, *accounts[:: -1 if n % 2 else 1], writer=f"w{n}") for n in range(12))
    await asyncio.gather(*map(usage.record_usage, sent))
    (found,) = await usage.usage(EVERYTHING)
    assert found.amounts.requests == 36


async def test_sums_keep_apart_what_was_asked_for(usage: UsageStore) -> None:
    """By day, tenant, key and agent; a tenant's query has no other tenant's usage."""
    await usage.record_usage(batch(1, account(), account(OTHER), account(key="k2"), account(agent="a2")))
    await usage.record_usage(batch(2, account(), day=DAY + 1))
    by_day = await usage.usage(UsageQuery(DAY, DAY + 1, (UsageField.DAY,), ACME))
    assert [(found.day, found.amounts.requests, found.tenant) for found in by_day] == [
        (DAY, 3, None),
        (DAY + 1, 1, None),
    ]
    by_all = await usage.usage(UsageQuery(DAY, DAY, tuple(UsageField), None))
    assert {(f.tenant, f.key, f.agent) for f in by_all} == {
        ("acme", "k", "support"),
        ("acme", "k", "a2"),
        ("acme", "k2", "support"),
        ("other", "k", "support"),
    }
    (before,) = await usage.usage(UsageQuery(DAY - 9, DAY - 1, (), ACME))
    assert before.amounts == Amounts()


async def test_old_usage_is_deleted(usage: UsageStore) -> None:
    """At the first batch of a writer."""
    await usage.record_usage(batch(1, account()))
    await usage.record_usage(batch(1, account(), day=DAY + MAX_DAYS + 1, writer="later"))
    (found,) = await usage.usage(EVERYTHING)
    assert found.amounts == ONE
