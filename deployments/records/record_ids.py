"""Ids of records: making the part after the kind (`ticket-...`), and checking ids that callers send."""

from __future__ import annotations

import re
import secrets
import time

_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


def new_record_id() -> str:
    """Returns 28 hex digits: milliseconds, so that ids sort by creation time, and 64 random bits."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Tells whether a text can be the id of a record. Not every database accepts other texts."""
    return _ID.fullmatch(text) is not None
