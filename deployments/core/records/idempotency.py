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
    """The right to make a call, or the `response` that it had.

    `token` is the same for every attempt: who derives ids from it creates a thing once, even where an
    attempt succeeded and could not be noted down.
    """

    token: str
    response: str | None
