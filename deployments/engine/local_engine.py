"""Protocols of the engine inside an engine replica: vLLM itself, and the layers around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.counters import EngineCounters


class LocalEngine(Protocol):
    """A `Generator` that this process owns."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing the iterator aborts the generation.

        Raises EngineUnavailable, DeadlineExceeded, InvalidRequest, Overloaded.
        """

    async def describe(self) -> EngineInfo:
        """What runs here. Raises EngineUnavailable."""

    def counters(self) -> EngineCounters:
        """The counters of now."""

    async def check_health(self) -> None:
        """Raises EngineUnavailable when the engine's processes have ended."""

    def close(self) -> None:
        """Ends the engine's processes."""


class SurveyedEngine(LocalEngine, Protocol):
    """A local engine that reports what its KV cache holds."""

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What changed in a tenant's part of the cache since `known`; all of it if unknown.

        `salt` is the tenant's cache salt. Raises EngineUnavailable when the engine has ended.
        """
