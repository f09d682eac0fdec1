"""Reads the list of web pages' origins in the setting WARMLINE_CORS_ORIGINS."""

from __future__ import annotations

import re

ANY = "*"
"""All origins."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#,\s]+")


def origins(raw: str) -> tuple[str, ...]:
    """The origins in a list separated by commas; () for "". Raises ValueError."""
    found = tuple(entry.strip().lower() for entry in raw.split(",") if entry.strip())
    for origin in found:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ValueError("must be * or origins such as https://app.example.com, without a path")
    return found
