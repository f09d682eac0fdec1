"""Finds a request's tenant: by its API key or, without configured keys, by the header X-Business-Id."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from deployments.core.errors import Forbidden, Unauthorized
from deployments.core.ids import DEFAULT_TENANT, TenantId, tenant_id

TENANT_HEADER = "x-business-id"
PUBLIC_PATHS = frozenset({"/", "/healthz", "/health", "/readyz", "/docs", "/openapi.json"})
"""Paths that are served without an API key."""
PUBLIC_FOLDERS = ("/page/",)
"""The same for all paths that begin so."""


def is_public(path: str) -> bool:
    """Whether a path is served without an API key."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS)


class Tenants:
    """Resolves the tenants of requests. Keys are stored and compared as digests, in constant time."""

    def __init__(self, tenants_by_key: Mapping[str, str]) -> None:
        """Without any key, the API is open: requests name their tenant themselves."""
        self._by_digest = {_digest(key): TenantId(tenant) for key, tenant in tenants_by_key.items()}

    @property
    def keyless(self) -> bool:
        """Whether the API is open, since no keys are configured."""
        return not self._by_digest

    def of(self, headers: Mapping[str, str]) -> TenantId:
        """The tenant of a request with these headers (names in lower case).

        Raises Unauthorized without a known key, Forbidden if the header names another tenant than the
        key's, and InvalidRequest for a header that can't be a tenant's name.
        """
        named = headers.get(TENANT_HEADER)
        if self.keyless:
            return DEFAULT_TENANT if named is None else tenant_id(named)
        tenant = self._by_key(_presented(headers))
        if named is not None and named != tenant:
            raise Forbidden(f"this API key does not belong to the tenant in {TENANT_HEADER}")
        return tenant

    def _by_key(self, key: str | None) -> TenantId:
        if key is None:
            raise Unauthorized("an API key is needed: Authorization: Bearer <key>")
        digest = _digest(key)
        found = [tenant for known, tenant in self._by_digest.items() if hmac.compare_digest(known, digest)]
        if not found:
            raise Unauthorized("the API key is unknown")
        return found[0]


def _presented(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.strip() else headers.get("x-api-key")


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
