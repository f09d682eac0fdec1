"""Finds out who sends a request: by its API key or, without configured keys, by the header X-Business-Id.

Keys from the settings are known from the start. Other keys are made over the API and stored in the
database; `stored_keys` reads them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from deployments.core.access import EVERYTHING, KEY_PREFIX, KeyRecord, KeyScope, digest_of
from deployments.core.errors import Forbidden, Unauthorized
from deployments.core.ids import DEFAULT_TENANT, TenantId, tenant_id
from serve_app.api_keys import OPERATOR

TENANT_HEADER = "x-business-id"
PUBLIC_PATHS = frozenset({"/", "/healthz", "/health", "/readyz", "/docs", "/openapi.json"})
"""Paths that are served without an API key."""
PUBLIC_FOLDERS = ("/page/",)
"""The same for all paths that begin so."""

_LOCAL_KEY = "local"
"""Takes the place of a key's id in an API without keys."""


def is_public(path: str) -> bool:
    """Whether a path is served without an API key."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS)


@dataclass(frozen=True, slots=True)
class Access:
    """What a request may do, and for whom."""

    tenant: TenantId
    scopes: frozenset[KeyScope]
    key_id: str
    """The stored key's id; for a key from the settings, the beginning of its digest."""
    operator: bool = False
    """Whether the key may act for each tenant."""

    def check(self, needed: KeyScope) -> None:
        """Raises Forbidden if the key lacks a scope."""
        if needed not in self.scopes:
            raise Forbidden(
                f"this API key lacks the scope {needed}; ask an administrator for one that has it"
            )


class StoredKeyFinder(Protocol):
    """Finds stored keys."""

    async def find(self, digest: bytes) -> KeyRecord | None:
        """The key whose secret has this digest; None if there is none that is valid now.

        Raises Unavailable if that can't be found out.
        """


class KeyRing:
    """Finds the access of requests. Keys are kept and compared as digests."""

    def __init__(self, tenants_by_key: Mapping[str, str], stored: StoredKeyFinder) -> None:
        """`tenants_by_key` has the keys from the settings. Without any, the API is open: requests name
        their tenant themselves, and stored keys mean nothing.
        """
        self._by_digest = {digest_of(key): tenant for key, tenant in tenants_by_key.items()}
        self._stored = stored

    @property
    def keyless(self) -> bool:
        """Whether the API is open, since no keys are configured."""
        return not self._by_digest

    async def access(self, headers: Mapping[str, str]) -> Access:
        """The access of a request with these headers (names in lower case).

        Raises Unauthorized without a valid key, Forbidden if the header names another tenant than the
        key's, InvalidRequest for a header that can't be a tenant's name, and Unavailable if stored keys
        can't be read.
        """
        named = headers.get(TENANT_HEADER)
        if self.keyless:
            return Access(_named(named), EVERYTHING, _LOCAL_KEY, operator=True)
        secret = _presented(headers)
        if secret is None:
            raise Unauthorized("an API key is needed: Authorization: Bearer <key>")
        digest = digest_of(secret)
        owner = self._configured(digest)
        if owner == OPERATOR:
            return Access(_named(named), EVERYTHING, _id_of(digest), operator=True)
        if owner is not None:
            found = Access(TenantId(owner), EVERYTHING, _id_of(digest))
        else:
            found = await self._stored_access(secret, digest)
        if named is not None and named != found.tenant:
            raise Forbidden(f"this API key does not belong to the tenant in {TENANT_HEADER}")
        return found

    def _configured(self, digest: bytes) -> str | None:
        found = [owner for known, owner in self._by_digest.items() if hmac.compare_digest(known, digest)]
        return found[0] if found else None

    async def _stored_access(self, secret: str, digest: bytes) -> Access:
        record = await self._stored.find(digest) if secret.startswith(KEY_PREFIX) else None
        if record is None:
            raise Unauthorized("the API key is unknown, revoked or expired")
        return Access(record.tenant, record.scopes, record.key_id)


def _id_of(digest: bytes) -> str:
    """An id for a key from the settings, by which the audit names it."""
    return digest.hex()[:16]


def _named(header: str | None) -> TenantId:
    return DEFAULT_TENANT if header is None else tenant_id(header)


def _presented(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    presented = key.strip() if scheme.lower() == "bearer" and key.strip() else headers.get("x-api-key")
    return presented or None
