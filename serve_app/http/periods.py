"""Periods as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deployments.core.errors import InvalidRequest
from deployments.core.records.support_report import Period


def period_of(start: str, end: str) -> Period:
    """From a date or a moment to another, in ISO 8601; UTC unless they say otherwise.

    A date alone as the end includes that whole day. Raises: InvalidRequest naming the field.
    """
    start_s = _moment_s(start, "start", days=0)
    end_s = _moment_s(end, "end", days=1)
    if end_s <= start_s:
        raise InvalidRequest("end must not be before start", "end")
    return Period(start_s, end_s)


def _moment_s(written: str, param: str, days: int) -> float:
    """Unix seconds; `days` are added to what is a date only."""
    try:
        moment = datetime.fromisoformat(written.strip())
        if not any(sign in written for sign in "T :"):
            moment += timedelta(days=days)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        message = f"{param} must be a date or a moment in ISO 8601, such as 2026-11-14"
        raise InvalidRequest(message, param) from error
