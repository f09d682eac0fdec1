"""Quotas: what one tenant may use. Their names, units and defaults are in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from deployments.core.access import Actor
from deployments.core.ids import TenantId
from deployments.core.replica import repeatable

MAX_LIMIT = 2**50
"""The largest limit. Lua, which counts in Redis, has exact integers up to 2**53."""
_MINUTE_S = 60
_DAY_S = 24 * 3600


class Quota(StrEnum):
    """What is limited. A name says the unit, and the period in which it is counted."""

    REQUESTS_IN_FLIGHT = "requests_in_flight"
    UPLOADS_IN_FLIGHT = "uploads_in_flight"
    REQUESTS_PER_MINUTE = "requests_per_minute"
    PROMPT_TOKENS_PER_MINUTE = "prompt_tokens_per_minute"
    PROMPT_TOKENS_PER_DAY = "prompt_tokens_per_day"
    COMPLETION_TOKENS_PER_MINUTE = "completion_tokens_per_minute"
    COMPLETION_TOKENS_PER_DAY = "completion_tokens_per_day"
    WARM_UP_TOKENS_PER_DAY = "warm_up_tokens_per_day"
    DOCUMENTS = "documents"
    DOCUMENT_BYTES = "document_bytes"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a quota is counted."""

    default: int
    """The limit of a tenant that has none of its own."""
    window_s: int = 0
    """Length of the window that it is counted in, in seconds. Windows start at multiples of their length
    in Unix time, so a day is a day in UTC. 0: it has no window, but counts what exists now."""
    reserved: int = 0
    """What each running request reserves until its actual amount is known."""


RULES: Mapping[Quota, Rule] = {
    # Below the 256 requests that a replica of an agent takes, so that one tenant can't fill it.
    Quota.REQUESTS_IN_FLIGHT: Rule(192),
    Quota.UPLOADS_IN_FLIGHT: Rule(16),
    Quota.REQUESTS_PER_MINUTE: Rule(60_000, _MINUTE_S),
    Quota.PROMPT_TOKENS_PER_MINUTE: Rule(20_000_000, _MINUTE_S, reserved=1_500),
    Quota.PROMPT_TOKENS_PER_DAY: Rule(10_000_000_000, _DAY_S, reserved=1_500),
    Quota.COMPLETION_TOKENS_PER_MINUTE: Rule(2_000_000, _MINUTE_S, reserved=250),
    Quota.COMPLETION_TOKENS_PER_DAY: Rule(1_000_000_000, _DAY_S, reserved=250),
    Quota.WARM_UP_TOKENS_PER_DAY: Rule(200_000_000, _DAY_S),
    Quota.DOCUMENTS: Rule(100_000),
    Quota.DOCUMENT_BYTES: Rule(10 * 2**30),
}
PLACES = (Quota.REQUESTS_IN_FLIGHT, Quota.UPLOADS_IN_FLIGHT)
"""Quotas of what runs now. A running request holds a place in each that it needs."""
PROMPT_TOKENS = (Quota.PROMPT_TOKENS_PER_MINUTE, Quota.PROMPT_TOKENS_PER_DAY)
COMPLETION_TOKENS = (Quota.COMPLETION_TOKENS_PER_MINUTE, Quota.COMPLETION_TOKENS_PER_DAY)
WINDOWED = tuple(quota for quota, rule in RULES.items() if rule.window_s)
"""Quotas of what is counted in a window."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request needs before it runs."""

    tenant: TenantId
    claim_id: str
    """Names its places; no other request's claim has it."""
    adds: Mapping[Quota, int]
    """What it uses of each quota: 1 for a place or a request, 0 for tokens, which are counted later."""
    limits: Mapping[Quota, int]
    """The tenant's limits of these quotas."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a tenant has used of a quota."""

    amount: int
    """With what running requests reserve."""
    resets_in_s: float
    """Seconds until the window ends; 0 without a window."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a claim was granted."""

    used: Mapping[Quota, Used]
    """By the claim's quotas. Includes the claim itself if it was granted."""
    refused: Quota | None
    """The first quota that has too little left; None if the claim was granted. A refused claim has
    changed nothing."""


class Spending(Protocol):
    """What tenants use now. Raises CacheUnavailable if it can't be known."""

    async def claim(self, claim: Claim) -> Decision:
        """Checks all quotas of a claim and adds it to them, or to none of them."""

    async def release(self, claim: Claim) -> None:
        """Gives a claim's places back; what it added to windows stays."""

    async def spend(self, tenant: TenantId, amounts: Mapping[Quota, int]) -> None:
        """Adds to windows, whatever their limits are: these amounts were used."""

    async def used(self, tenant: TenantId) -> Mapping[Quota, Used]:
        """What a tenant has used of each quota in `PLACES` and `WINDOWED`, without reservations."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A limit that differs, or differed, from the default."""

    tenant: TenantId
    quota: Quota
    limit: int | None
    """None: the default applies again."""
    changed_at_s: float
    """Unix seconds."""


class QuotaDesk(Protocol):
    """The stored limits of tenants. All methods raise KnowledgeUnavailable."""

    async def set_limits(
        self, actor: Actor, tenant: TenantId, limits: Mapping[Quota, int | None]
    ) -> Mapping[Quota, int]:
        """Sets limits, None for the default; leaves an `AuditEntry`. Returns all limits of the tenant."""

    @repeatable
    async def limits(self, tenant: TenantId) -> Mapping[Quota, int]:
        """All limits of a tenant: its own and, of other quotas, the defaults."""

    @repeatable
    async def limit_changes(self, since_s: float) -> tuple[LimitChange, ...]:
        """All limits that were changed at or after a time in Unix seconds, in any order."""


class StoredAmounts(Protocol):
    """What tenants have stored. Raises KnowledgeUnavailable."""

    @repeatable
    async def stored(self, tenant: TenantId) -> Mapping[Quota, int]:
        """Amounts of the quotas that count what is stored: documents, and bytes of their contents."""


def resets_in_s(window_s: int, now_s: float) -> float:
    """Seconds until the present window ends; 0 without a window."""
    return window_s - now_s % window_s if window_s else 0.0
