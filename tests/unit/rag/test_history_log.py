"""Answers are added up for the shared history, off their way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from deployments.core.cache_history import ReuseCounts
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.rag import history_log
from deployments.rag.history_log import HistoryLog
from tests.fakes import a_passage
from tests.unit.rag.rig import SCOPE, Rig, question


class Store:
    """A `HistoryWriter` that keeps what it is sent, and can be down."""

    def __init__(self) -> None:
        self.sent: list[dict[Scope, ReuseCounts]] = []
        self.down = False

    async def add(self, counts: Mapping[Scope, ReuseCounts]) -> None:
        if self.down:
            raise CacheUnavailable("it is down")
        self.sent.append(dict(counts))


async def test_answers_are_sent_together():
    """One batch, with the sums of the ledgers."""
    store, rig = Store(), Rig([a_passage(n) for n in range(3)])
    rig.use(answered=(HistoryLog(store, send_every_s=0.01),))
    answers = [await rig.answer() for _ in range(3)]
    assert store.sent == []
    await asyncio.sleep(0.05)
    (batch,) = store.sent
    assert batch == {
        SCOPE: ReuseCounts(
            answers=3,
            segments_found=9,
            segments_tokenized=0,
            prompt_tokens=sum(answer.reuse.prompt_tokens for answer in answers),
            kv_cached_tokens=3 * 32,
            ttft_ms=sum(round(answer.timings_ms["ttft"]) for answer in answers),
        )
    }


async def test_a_store_that_is_down_costs_those_answers_only():
    """The next ones are sent again."""
    store, rig = Store(), Rig([a_passage()])
    rig.use(answered=(HistoryLog(store, send_every_s=0.01),))
    store.down = True
    await rig.answer()
    await asyncio.sleep(0.05)
    store.down = False
    await rig.answer()
    await asyncio.sleep(0.05)
    assert [batch[SCOPE].answers for batch in store.sent] == [1]


async def test_the_scopes_that_wait_are_bounded(monkeypatch):
    """However many tenants ask between two batches."""
    monkeypatch.setattr(history_log, "MAX_SCOPES", 2)
    store, answer = Store(), await Rig([a_passage()]).answer()
    log = HistoryLog(store, send_every_s=0.01)
    for number in range(5):
        scope = Scope(TenantId(f"tenant-{number}"), CollectionName("support_kb"))
        log(question(scope=scope), answer)
    await asyncio.sleep(0.05)
    assert len(store.sent[0]) == 2


async def test_an_answer_without_a_prefill_adds_no_prompt_tokens():
    """Otherwise shared answers would lower the reuse of the engine's cache."""
    counts = ReuseCounts.of(await Rig([]).answer())
    assert (counts.answers, counts.prompt_tokens, counts.kv_cached_tokens) == (1, 0, 0)
