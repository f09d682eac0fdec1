"""Reads the list of API keys in the setting WARMLINE_API_KEYS."""

from __future__ import annotations

from deployments.core.errors import InvalidRequest
from deployments.core.ids import tenant_id

OPERATOR = "*"
"""The tenant of a key that may act for each tenant."""


def tenants_by_key(raw: str) -> dict[str, str]:
    """API key -> tenant, from `key=tenant` pairs. Raises ValueError, whose message never shows a key."""
    entries = [entry.strip() for entry in raw.split(",")]
    pairs = [_key_and_tenant(entry) for entry in entries if entry]
    if len(dict(pairs)) != len(pairs):
        raise ValueError("each key may be given only once")
    return dict(pairs)


def _key_and_tenant(entry: str) -> tuple[str, str]:
    key, _, tenant = (part.strip() for part in entry.rpartition("="))
    if len(key) < 16:
        raise ValueError("must be key=business_id pairs, each key of 16 characters or more")
    try:
        return key, tenant if tenant == OPERATOR else tenant_id(tenant)
    except InvalidRequest as error:
        raise ValueError(error.message) from None
