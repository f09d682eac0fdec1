"""Times as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, overload

from pydantic import AfterValidator

Seconds = Annotated[float, AfterValidator(lambda value: round(value, 3))]
"""A duration, to the millisecond."""


@overload
def moment(unix_s: float) -> datetime: ...
@overload
def moment(unix_s: float | None) -> datetime | None: ...
def moment(unix_s: float | None) -> datetime | None:
    """Unix seconds as a time in UTC, which JSON writes in ISO 8601."""
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC)
