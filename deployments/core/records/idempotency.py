"""Creating calls that a client may repeat without creating anything more."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.ids import TenantId


@dataclass(frozen=True, slots=True)
class RepeatableCall:
    """A creating call with its client's idempotency key."""

    tenant: TenantId
    operation: str
    """Name of the operation, such as "tickets.create"."""
    key: str
    """Chosen by the client; unique for tenant and operation."""
    request_hash: str
    """Hash of the whole request."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make a call, or the response that an earlier attempt got."""

    creation_id: str
    """Random, the same for every attempt at this call. The service that creates the thing gets it as its
    `idempotency_key` and derives the thing's id from it: an attempt that succeeded but could not be
    recorded creates nothing more when it is made again."""
    response: str | None
    """None: the call is to be made."""
