"""Reports what an agent's replica had computed: to the tenants' quotas, and to the stored usage.

Both get batches, off the requests' way. Quotas get theirs once, since a window that Redis missed is over
soon. Stored usage is sent until the database has it, and counted once: a batch that failed is sent first,
unchanged. A replica that is killed loses what it has not sent, which is at most `STORE_EVERY_S` old while
the database can be written.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from secrets import token_hex

from deployments.core.errors import WarmlineError
from deployments.core.ids import TenantId
from deployments.core.later import Later
from deployments.core.quotas import COMPLETION_TOKENS, PROMPT_TOKENS, Quota, Spending
from deployments.core.usage import DAY_S, Account, Amounts, UsageBatch, UsageDesk

log = logging.getLogger(__name__)

SPEND_EVERY_S = 0.5
STORE_EVERY_S = 5.0
MAX_ACCOUNTS = 10_000
"""Accounts that wait to be stored. Usage of further ones is added to their tenant's account without a key."""


class UsageReports:
    """The reports of one replica of the agent `agent`. Belongs to one event loop.

    `clock` gives Unix seconds.
    """

    def __init__(self, agent: str, spending: Spending, desk: UsageDesk, clock: Callable[[], float]) -> None:
        self._agent = agent
        self._spending = spending
        self._desk = desk
        self._clock = clock
        self._unspent: dict[TenantId, Counter[Quota]] = defaultdict(Counter)
        self._unstored: dict[Account, Amounts] = defaultdict(Amounts)
        self._sent: UsageBatch | None = None
        self._writer = token_hex(8)
        self._batches = 0
        self._spend = Later(self._spend_all, SPEND_EVERY_S)
        self._store = Later(self._store_all, STORE_EVERY_S)

    def add(self, tenant: TenantId, key_id: str, amounts: Amounts, *, warming: bool = False) -> None:
        """Counts what was computed. Warming has a quota of its own."""
        spent = self._unspent[tenant]
        if warming:
            spent[Quota.WARM_UP_TOKENS_PER_DAY] += amounts.computed_tokens
        else:
            spent.update(dict.fromkeys(PROMPT_TOKENS, amounts.computed_tokens + amounts.reused_tokens))
            spent.update(dict.fromkeys(COMPLETION_TOKENS, amounts.completion_tokens))
        account = Account(self._today(), tenant, key_id, self._agent)
        if account not in self._unstored and len(self._unstored) >= MAX_ACCOUNTS:
            account = Account(self._today(), tenant, "", self._agent)
        self._unstored[account] += amounts
        self._spend.start()
        self._store.start()

    async def _spend_all(self) -> bool:
        unspent, self._unspent = self._unspent, defaultdict(Counter)
        for tenant, amounts in unspent.items():
            try:
                await self._spending.spend(tenant, amounts)
            except WarmlineError as error:
                log.debug("quotas miss what %s used: %s", tenant, error)
        return bool(self._unspent)

    async def _store_all(self) -> bool:
        try:
            if self._sent is None:
                self._batches += 1
                amounts = tuple(self._unstored.items())
                self._unstored = defaultdict(Amounts)
                self._sent = UsageBatch(self._writer, self._batches, self._today(), amounts)
            await self._desk.record_usage(self._sent)
            self._sent = None
        except WarmlineError as error:
            log.warning("usage is not stored yet: %s", error)
        return bool(self._sent or self._unstored)

    def _today(self) -> int:
        return int(self._clock() // DAY_S)
