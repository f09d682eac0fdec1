"""API keys: what a key allows, how it is stored, and the record of what administrators did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from deployments.core.ids import TenantId
from deployments.core.replica import repeatable

KEY_PREFIX = "wl-"
"""Every key that this application makes begins so, for secret scanners and for people."""
MAX_KEYS = 1000
"""Valid keys of one tenant."""
USE_PRECISION_S = 60.0
"""The time of a key's last use is stored at most this often."""
MAX_ROTATION_S = 7 * 24 * 3600
"""How long the former secret of a rotated key can stay valid, in seconds."""


class KeyScope(StrEnum):
    """What a key allows. A key can have several."""

    ASK = "ask"
    """Read: ask, search, list, and read what is stored."""
    WRITE = "write"
    """Change what is stored: documents, tickets, templates, ideas, the cache."""
    ADMIN = "admin"
    """Manage the tenant's keys, erase what it has stored, and read what administrators did."""


EVERYTHING = frozenset(KeyScope)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as administrators see it, without its secret."""

    key_id: str
    tenant: TenantId
    name: str
    scopes: tuple[KeyScope, ...]
    created_at_s: float
    """Unix seconds."""
    expires_at_s: float | None
    """Unix seconds; None: never."""
    revoked_at_s: float | None
    """Unix seconds; None: not revoked."""
    last_used_at_s: float | None
    """Unix seconds, up to `USE_PRECISION_S` old; None: not used yet."""


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A key to make."""

    name: str
    scopes: tuple[KeyScope, ...]
    expires_in_s: float | None = None
    """Seconds from now on; None: never."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which is stored nowhere and can't be shown again."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What an ingress replica needs to recognise a key."""

    key_id: str
    tenant: TenantId
    scopes: frozenset[KeyScope]
    valid_until_s: Mapping[bytes, float]
    """Digest of a secret -> Unix seconds until which the secret is valid. Empty if the key is revoked. A
    rotated key can have two secrets for some time."""
    revision: int = 0
    """The list's revision after the key's last change."""


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Keys that changed after a revision."""

    revision: int
    """Of the list of keys: each change raises it."""
    records: tuple[KeyRecord, ...]
    complete: bool
    """True: these are all keys, and others that the caller knows are gone."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who manages keys."""

    key_id: str
    """The key that the request came with; "local" for an API without keys."""
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One use of the scope `admin`."""

    entry_id: str
    """Sorts by time."""
    at_s: float
    """Unix seconds."""
    tenant: TenantId
    """The tenant whose objects were managed."""
    key_id: str
    """The key that was used."""
    action: str
    """For example "keys.revoke"."""
    subject: str
    """The id of the managed object; "" for lists."""
    request_id: str


class KeyDesk(Protocol):
    """The stored API keys. All methods raise KnowledgeUnavailable. Each but `key_changes` leaves an
    `AuditEntry`, in the transaction of the change.
    """

    async def create_key(self, actor: Actor, tenant: TenantId, draft: KeyDraft) -> IssuedKey:
        """Makes a key. Raises Conflict if the tenant has `MAX_KEYS` valid ones."""

    async def list_keys(
        self, actor: Actor, tenant: TenantId, limit: int, after: str | None
    ) -> tuple[ApiKey, ...]:
        """At most `limit` keys by id, from after the id `after` on; revoked ones for 90 days."""

    async def rotate_key(
        self, actor: Actor, tenant: TenantId, key_id: str, keep_former_s: float
    ) -> IssuedKey:
        """Gives a key a new secret. The former one stays valid for `keep_former_s` seconds; 0 ends all
        former ones at once.

        Raises NotFound, Conflict if the key is revoked or has expired, or if the secret before the present
        one is valid and so is to be the present one: a key has two valid secrets at most.
        """

    async def revoke_key(self, actor: Actor, tenant: TenantId, key_id: str) -> ApiKey:
        """Makes a key invalid, for good; does nothing to a revoked one. Raises NotFound."""

    async def audit(
        self, actor: Actor, tenant: TenantId, limit: int, before: str | None
    ) -> tuple[AuditEntry, ...]:
        """At most `limit` entries, newest first, older than the entry `before`."""

    @repeatable
    async def key_changes(self, known: int, used: Mapping[str, float]) -> KeyChanges:
        """Changes after the revision `known`; 0 asks for all keys.

        `used` tells when keys were used last: key id -> Unix seconds.
        """


def digest_of(secret: str) -> bytes:
    """The digest of a key's secret, which is what is stored.

    A plain hash is enough: a secret has 256 random bits, so there is nothing to guess.
    """
    return sha256(secret.encode()).digest()
