"""What every request's body is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request's body: a field it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")
