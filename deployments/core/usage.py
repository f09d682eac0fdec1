"""Usage: what tenants had computed, by tenant, key, agent and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from deployments.core.ids import TenantId
from deployments.core.replica import repeatable

DAY_S = 24 * 3600
MAX_DAYS = 400
"""The longest period of a usage report, and how long usage is kept, in days."""
MAX_ROWS = 10_000
"""Rows of a usage report at most."""


class UsageField(StrEnum):
    """What usage can be summed by."""

    DAY = "day"
    TENANT = "tenant"
    KEY = "key"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose usage it is, and of which day."""

    day: int
    """Days since 1970, in UTC."""
    tenant: TenantId
    key_id: str
    """"" for what no key asked for: warming, and calls over a handle."""
    agent: str


@dataclass(frozen=True, slots=True)
class Amounts:
    """What was used. The engine's own counters are the measure: what it computed counts, even if nobody
    received it, and a shared answer counts as a request only.
    """

    requests: int = 0
    """Prompts that were sent to an engine. An idea can take several; a prompt that is sent again after a
    failure counts again."""
    computed_tokens: int = 0
    """Prompt tokens that an engine computed."""
    reused_tokens: int = 0
    """Prompt tokens that an engine found in its KV cache."""
    completion_tokens: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.requests + other.requests,
            self.computed_tokens + other.computed_tokens,
            self.reused_tokens + other.reused_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """Usage that one writer has counted, which it sends again unchanged until it is stored."""

    writer: str
    """Random, for each agent replica."""
    number: int
    """From 1, one more for each batch of the writer."""
    sent_on_day: int
    """Days since 1970, in UTC."""
    amounts: Sequence[tuple[Account, Amounts]]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A question for sums."""

    first_day: int
    """Days since 1970, in UTC."""
    last_day: int
    """Included."""
    by: tuple[UsageField, ...]
    """What to keep apart; everything else is summed."""
    tenant: TenantId | None
    """None: all tenants."""


@dataclass(frozen=True, slots=True)
class UsageSum:
    """A sum. What the query does not keep apart is None."""

    day: int | None
    """Days since 1970, in UTC."""
    tenant: str | None
    key: str | None
    agent: str | None
    amounts: Amounts


class UsageDesk(Protocol):
    """The stored usage. All methods raise KnowledgeUnavailable."""

    async def record_usage(self, batch: UsageBatch) -> None:
        """Adds a batch, once, however often it is sent."""

    @repeatable
    async def usage(self, query: UsageQuery) -> tuple[UsageSum, ...]:
        """The sums, in the order of the fields that they are kept apart by; at most `MAX_ROWS` + 1."""
