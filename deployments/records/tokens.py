"""What ids of records are made of."""

from __future__ import annotations

import secrets
import time


def new_token() -> str:
    """28 hex digits: milliseconds, so that ids are in the order of their creation, and 64 random bits."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(8)}"
