"""Calls that create something, made so that repeating one creates nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.ids import TenantId


@dataclass(frozen=True, slots=True)
class RepeatableCall:
    """A call under its caller's key. `request_hash` is of all that the call says."""

    tenant: TenantId
    operation: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make a call, or the response that an earlier attempt got."""

    creation_id: str
    """Random, the same for every attempt at this call. The service that creates the thing gets it as its
    `idempotency_key` and derives the thing's id from it: an attempt that succeeded but could not be
    recorded creates nothing more when it is made again."""
    response: str | None
    """None: the call is to be made."""
