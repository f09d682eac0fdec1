"""A key makes a call happen once, for a day, for one tenant and operation."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.core.errors import Conflict
from deployments.core.ids import TenantId
from deployments.core.records.idempotency import Claim, RepeatableCall
from tests.contract.records.conftest import Open, Records

CALL = RepeatableCall(TenantId("acme"), "tickets.create", "key-1", "hash-1")


async def test_a_kept_response_is_given_to_those_who_repeat_the_call(reopen: Open) -> None:
    """With the first call's `creation_id`, after a restart too."""
    records = await reopen()
    claim = await records.idempotency.claim(CALL)
    assert claim.response is None
    await records.idempotency.keep(CALL, '{"ä": 1}')
    assert await records.idempotency.claim(CALL) == Claim(claim.creation_id, '{"ä": 1}')
    await records.close()
    records = await reopen()
    assert await records.idempotency.claim(CALL) == Claim(claim.creation_id, '{"ä": 1}')


async def test_another_request_under_the_same_key_is_a_conflict(records: Records) -> None:
    """While the first call runs, and afterwards."""
    await records.idempotency.claim(CALL)
    for _ in range(2):
        with pytest.raises(Conflict, match="another request"):
            await records.idempotency.claim(replace(CALL, request_hash="hash-2"))
        await records.idempotency.keep(CALL, "{}")


async def test_tenants_and_operations_have_keys_of_their_own(records: Records) -> None:
    calls = (CALL, replace(CALL, tenant=TenantId("other")), replace(CALL, operation="ideas.create"))
    creations = {(await records.idempotency.claim(call)).creation_id for call in calls}
    assert len(creations) == 3


async def test_one_of_several_concurrent_claims_wins(records: Records) -> None:
    claims = [records.idempotency.claim(CALL) for _ in range(8)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(isinstance(result, Claim) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 7


async def test_a_released_call_can_be_made_again_with_the_same_creation_id(records: Records) -> None:
    first = await records.idempotency.claim(CALL)
    await records.idempotency.release(CALL)
    assert await records.idempotency.claim(CALL) == first
    with pytest.raises(Conflict, match="not ended"):
        await records.idempotency.claim(CALL)


async def test_a_caller_that_died_blocks_a_call_for_ten_minutes(records: Records) -> None:
    first = await records.idempotency.claim(CALL)
    records.clock.pass_s(599)
    with pytest.raises(Conflict):
        await records.idempotency.claim(CALL)
    records.clock.pass_s(1)
    assert await records.idempotency.claim(CALL) == first


async def test_after_a_day_a_key_is_new(records: Records) -> None:
    first = await records.idempotency.claim(CALL)
    await records.idempotency.keep(CALL, "{}")
    records.clock.pass_s(24 * 3600)
    assert (await records.idempotency.claim(CALL)).response == "{}"
    records.clock.pass_s(1)
    again = await records.idempotency.claim(replace(CALL, request_hash="hash-2"))
    assert again.response is None
    assert again.creation_id != first.creation_id
