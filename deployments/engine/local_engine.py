"""What the Engine deployment is built of: an engine, and the same with what a replica has around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.counters import EngineCounters


class LocalEngine(Protocol):
    """An engine that this process owns."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """See `Generator`."""

    async def describe(self) -> EngineInfo:
        """See `Generator`."""

    def counters(self) -> EngineCounters:
        """The engine's own counters."""

    async def check_health(self) -> None:
        """Raises EngineUnavailable when the engine is gone."""

    def close(self) -> None:
        """Ends the engine's processes."""


class SurveyedEngine(LocalEngine, Protocol):
    """One that tells what lies in its cache."""

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What it holds of a tenant beyond what is known."""
