"""Identifiers of a collection's contents, and of the state that a search's answer depends on."""

from __future__ import annotations

import secrets
from hashlib import blake2b

from deployments.core.ids import Fingerprint

_SEARCH_VERSION = 5
"""Raise it when a change of the code ranks or filters the same texts and vectors differently."""


def new_stamp() -> str:
    """Returns a random stamp for contents that have just changed: 32 hex digits."""
    return secrets.token_hex(16)


def search_state(stamp: str, embedding: Fingerprint, similarity_threshold: float) -> str:
    """Hashes everything besides the query that a search's answer depends on; returns 32 hex digits."""
    parts = (stamp, str(_SEARCH_VERSION), repr(similarity_threshold), embedding)
    return blake2b("/".join(parts).encode(), digest_size=16).hexdigest()
