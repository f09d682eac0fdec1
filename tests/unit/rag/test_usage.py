"""Usage equals what the engine computed, and arrives once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import CacheUnavailable, EngineUnavailable, KnowledgeUnavailable
from deployments.core.ids import TenantId
from deployments.core.messages import Delta
from deployments.core.quotas import Quota
from deployments.core.token_ids import to_bytes, token_ids
from deployments.core.usage import DAY_S, Account, Amounts, UsageBatch
from deployments.rag import usage_reports
from deployments.rag.engine_usage import EngineUsage
from deployments.rag.usage_reports import UsageReports
from tests.fakes import FakeClock, a_passage
from tests.unit.rag.rig import SCOPE, Rig, question

ACME = TenantId("acme")


def ids(count: int) -> bytes:
    return to_bytes(token_ids(range(count)))


async def stream(deltas: Sequence[Delta], error: Exception | None = None) -> AsyncGenerator[Delta, None]:
    for delta in deltas:
        yield delta
    if error is not None:
        raise error


@given(
    st.integers(0, 50), st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 8), st.booleans()
)
def test_a_stream_counts_what_has_come(reused: int, sizes: list[int], read: int, late: bool) -> None:
    """Also when its reader leaves after some deltas. `late`: the last one tells what was reused."""
    told = len(sizes) - 1 if late else 0
    deltas = [Delta("x", ids(n), kv_cached_tokens=reused if k == told else None) for k, n in enumerate(sizes)]

    async def part() -> Amounts:
        usage = EngineUsage(50)
        async with aclosing(usage.counted(stream(deltas))) as counted:
            for _ in range(min(read, len(sizes))):
                await anext(counted)
        return usage.amounts

    known = reused if read > told else 0
    assert asyncio.run(part()) == Amounts(1, 50 - known, known, sum(sizes[:read]))


@pytest.mark.parametrize("shared", ["flight", "kept"])
async def test_anothers_answer_counts_as_a_request_only(shared: str) -> None:
    """The engine computed nothing for it."""
    usage = EngineUsage(50)
    deltas = [Delta("x", ids(3), kv_cached_tokens=0, shared=shared), Delta("y", ids(3))]
    assert len([delta async for delta in usage.counted(stream(deltas))]) == 2
    assert usage.amounts == Amounts(requests=1)


async def test_who_leaves_before_the_first_token_has_used_the_prompt() -> None:
    """Otherwise leaving early would be free; a call that failed is free."""
    left, failed = EngineUsage(50), EngineUsage(50)

    async def never() -> AsyncGenerator[Delta, None]:
        await asyncio.Event().wait()
        yield Delta("", b"")

    waiting = asyncio.create_task(anext(left.counted(never())))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert left.amounts == Amounts(1, 50)
    with pytest.raises(EngineUnavailable):
        await anext(failed.counted(stream([], EngineUnavailable("gone"))))
    assert failed.amounts == Amounts()


class Books:
    """A `Spending` and a `UsageDesk` that fail while told to. A failing desk has stored the batch or not."""

    def __init__(self) -> None:
        self.spent: Counter[Quota] = Counter()
        self.stored: dict[tuple[str, int], UsageBatch] = {}
        self.redis_down = False
        self.faults: list[bool] = []

    async def spend(self, tenant: TenantId, amounts: Mapping[Quota, int]) -> None:
        if self.redis_down:
            raise CacheUnavailable("down")
        self.spent.update(amounts)

    async def record_usage(self, batch: UsageBatch) -> None:
        arrives = not self.faults or self.faults[0]
        if arrives:
            assert self.stored.setdefault((batch.writer, batch.number), batch) == batch
        if self.faults:
            self.faults.pop(0)
            raise KnowledgeUnavailable("down")

    def sums(self) -> dict[Account, Amounts]:
        found: dict[Account, Amounts] = {}
        for batch in self.stored.values():
            for account, amounts in batch.amounts:
                found[account] = found.get(account, Amounts()) + amounts
        return found


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setattr(usage_reports, "SPEND_EVERY_S", 0.01)
    monkeypatch.setattr(usage_reports, "STORE_EVERY_S", 0.01)
    return Books()


def reports_to(books: Books, clock: FakeClock) -> UsageReports:
    anything: Any = books
    return UsageReports("support", anything, anything, clock)


async def test_usage_arrives_once_whatever_fails(books: Books) -> None:
    """A batch that failed is sent again unchanged, and what came meanwhile after it."""
    clock = FakeClock(5.0 * DAY_S)
    reports = reports_to(books, clock)
    books.faults = [True, False, True]
    for n in range(6):
        reports.add(ACME, "k", Amounts(1, 10, 5, n))
        await asyncio.sleep(0.012)
    clock.pass_s(DAY_S)
    reports.add(ACME, "", Amounts(1))
    await asyncio.sleep(0.1)
    assert books.sums() == {
        Account(5, ACME, "k", "support"): Amounts(6, 60, 30, 15),
        Account(6, ACME, "", "support"): Amounts(1),
    }
    assert books.spent[Quota.PROMPT_TOKENS_PER_DAY] == 90
    assert books.spent[Quota.COMPLETION_TOKENS_PER_MINUTE] == 15


async def test_accounts_that_wait_are_bounded(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost but the key's name."""
    monkeypatch.setattr(usage_reports, "MAX_ACCOUNTS", 2)
    reports = reports_to(books, FakeClock())
    for n in range(5):
        reports.add(ACME, f"k{n}", Amounts(1))
    await asyncio.sleep(0.05)
    assert {account.key_id: used.requests for account, used in books.sums().items()} == {
        "k0": 1,
        "k1": 1,
        "": 3,
    }


async def test_what_redis_misses_is_not_charged_to_a_later_window(books: Books) -> None:
    """Stored usage has it all the same."""
    books.redis_down = True
    reports = reports_to(books, FakeClock())
    reports.add(ACME, "k", Amounts(1, 10))
    await asyncio.sleep(0.03)
    books.redis_down = False
    reports.add(ACME, "k", Amounts(1, 7))
    await asyncio.sleep(0.05)
    assert books.spent[Quota.PROMPT_TOKENS_PER_DAY] == 7
    assert sum(used.computed_tokens for used in books.sums().values()) == 17


async def test_answers_and_warming_are_reported(books: Books) -> None:
    """Answers by their key; warming has none, and a quota of its own."""
    rig = Rig([a_passage(0)])
    rig.use(usage=reports_to(books, FakeClock()))
    answer = await rig.answer(question(key_id="key-1"))
    await rig.rag.warm(SCOPE)
    await asyncio.sleep(0.05)
    by_key = {account.key_id: used for account, used in books.sums().items()}
    reuse = answer.reuse
    computed = reuse.prompt_tokens - reuse.kv_cached_tokens
    assert by_key["key-1"] == Amounts(1, computed, reuse.kv_cached_tokens, answer.answer_tokens)
    assert by_key[""] == Amounts(3, 200, 100, 3)
    assert books.spent[Quota.WARM_UP_TOKENS_PER_DAY] == 200
    assert books.spent[Quota.PROMPT_TOKENS_PER_DAY] == reuse.prompt_tokens
    await rig.rag.prefill(question())
    await asyncio.sleep(0.05)
    assert books.spent[Quota.WARM_UP_TOKENS_PER_DAY] == 200 + computed
    assert books.spent[Quota.PROMPT_TOKENS_PER_DAY] == reuse.prompt_tokens
