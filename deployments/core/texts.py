"""Checks of texts that callers write and the database stores."""

from __future__ import annotations

from deployments.core.errors import InvalidRequest


def check_text(text: str, param: str, max_chars: int, *, may_be_empty: bool = False) -> None:
    """Raises InvalidRequest on a text without a visible character, with more than `max_chars`, or that
    no database stores.
    """
    if not may_be_empty and not any(char.isprintable() and not char.isspace() for char in text):
        raise InvalidRequest(f"{param} must not be empty", param)
    if len(text) > max_chars:
        raise InvalidRequest(f"{param} must have at most {max_chars} characters", param)
    check_storable(text, param)


def check_storable(text: str, param: str) -> None:
    """Raises InvalidRequest on a text with NUL or a lone surrogate: not every database stores those, or
    takes them in a query.
    """
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidRequest(f"{param} must be text: no NUL and no half of a character", param)
