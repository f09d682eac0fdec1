"""The secret, and what is derived from it.

Cache salts: only requests with the same salt share KV blocks. The server derives a salt from the tenant and
its epoch; no client can set one. An erasure starts a new epoch: no later prompt can reach the KV blocks of
earlier ones. An epoch is the state (`core.leases.Lease`) of a collection without documents, so agents learn
it, and acknowledge a new one, as they do changes of documents.

The seal: entries in Redis count only if they were written with the same seal.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Protocol

from deployments.core.errors import ConfigurationError
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.private_files import make_private

SECRET_FILE = "secret"  # noqa: S105 (a file's name)
MIN_SECRET_BYTES = 16

SALT_COLLECTION = CollectionName("~salt")
"""Its state is the tenant's epoch. No caller can name it: `ids.collection_name` refuses it."""

_SALT, _SEAL = b"warmline cache salt v2\0", b"warmline redis entries v1\0"
"""Keep digests of different uses of the same secret apart."""


class Salts(Protocol):
    """The cache salts of tenants, by the scopes that prompts are about.

    Asking for the salt of a scope also has the scope watched: what this process keeps of its texts is
    dropped when they change. For a prompt without documents, give `salt_scope(tenant)`.
    """

    def known(self, scope: Scope) -> str | None:
        """The salt of the scope's tenant, if this process knows it without a call."""

    async def of(self, scope: Scope) -> str:
        """The salt of the scope's tenant. Raises KnowledgeUnavailable."""


def salt_scope(tenant: TenantId) -> Scope:
    """The scope whose state is the tenant's epoch."""
    return Scope(tenant, SALT_COLLECTION)


def cache_salt(secret: bytes, tenant: TenantId, epoch: str) -> str:
    """The tenant's salt in an epoch, 64 hex digits: as hard to guess as the secret, equal on all replicas."""
    named = f"{tenant}\0{epoch}".encode()  # a tenant's name has no NUL
    return hmac.new(secret, _SALT + named, hashlib.sha256).hexdigest()


def entry_seal(secret: bytes) -> bytes:
    """The key of the checksums of entries in Redis: who can write there, but lacks it, can forge none."""
    return hmac.new(secret, _SEAL, hashlib.sha256).digest()


def load_secret(configured: str | None, state_dir: Path) -> bytes:
    """The configured secret, or else the one in the state directory, which the first start creates.

    Replicas that start at the same time on one machine get the same secret. Raises ConfigurationError
    if the secret is too short, or if other users can read or write its file.
    """
    if configured is not None:
        return _long_enough(configured.encode(), "WARMLINE_SECRET")
    path = state_dir / SECRET_FILE
    if not os.path.lexists(path):
        _create(path)
    return _read(path)


def _create(path: Path) -> None:
    make_private(path.parent)
    # os.link makes the complete file appear at once, and fails if another process was faster.
    handle, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.unlink(draft)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_itself) as file:
            status, content = os.fstat(file.fileno()), file.read()
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"{path} belongs to another user")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigurationError(f"{path} is open to others: chmod 600 it, or delete it for a new one")
    return _long_enough(content.strip(), str(path))


def _itself(path: str, flags: int) -> int:
    """Opens without following a symbolic link and without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _long_enough(secret: bytes, name: str) -> bytes:
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"{name} must have at least {MIN_SECRET_BYTES} characters")
    return secret
