"""What tells a collection's contents, and with them a search's answers, from all others."""

from __future__ import annotations

import secrets
from hashlib import blake2b

from deployments.core.ids import Fingerprint

_SEARCH_VERSION = 3
"""Raise it when the same texts and vectors would be ranked or cut off otherwise than before."""


def new_stamp() -> str:
    """For contents that have just changed."""
    return secrets.token_hex(16)


def search_state(stamp: str, embedding: Fingerprint, similarity_threshold: float) -> str:
    """Names all that a search's answer depends on beside the query: 32 hex digits."""
    parts = (stamp, str(_SEARCH_VERSION), repr(similarity_threshold), embedding)
    return blake2b("/".join(parts).encode(), digest_size=16).hexdigest()
