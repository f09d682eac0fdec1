"""What ids of records are made of."""

from __future__ import annotations

import re
import secrets
import time

_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


def new_record_id() -> str:
    """28 hex digits: milliseconds, so that ids are in the order of their creation, and 64 random bits."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Whether it can be the id of a record. What can't is not even text that every database takes."""
    return _ID.fullmatch(text) is not None
