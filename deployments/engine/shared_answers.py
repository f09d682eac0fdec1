"""Generates once for equal requests: greedy, of one tenant, with equal prompt and sampling.

Callers have to allow it. A request joins the generation of an equal one while that runs; later, for some
time, it gets the kept answer.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from deployments.core.errors import EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.answer_flight import AnswerFlight
from deployments.engine.coalescing import merged
from deployments.engine.counters import EngineCounters
from deployments.engine.kept_answers import KeptAnswers, answer_key
from deployments.engine.local_engine import SurveyedEngine

FLIGHT_WITHIN_S = 3600.0
"""Deadline of a shared generation. Its readers have their own; it ends when the last one leaves."""


@dataclass(frozen=True, slots=True)
class KeepFor:
    """Limits of the complete answers that are kept."""

    max_bytes: int
    """Of all of them together; 0 keeps none."""
    ttl_s: float
    """How long each is kept, in seconds."""


class SharedAnswers:
    """Wraps an engine that runs `model`. `clock` is monotonic, in seconds."""

    def __init__(self, engine: SurveyedEngine, model: str, keep: KeepFor, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._model = model
        self._clock = clock
        self._kept = KeptAnswers(keep.max_bytes, keep.ttl_s, clock)
        self._flights: dict[bytes, AnswerFlight] = {}
        self._numbers = itertools.count()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer: a new one, another request's, or a kept one.

        Times in another request's answer are those that this request waited: until its first delta
        (`queue_ms`), and from there to its last (`decode_ms`). Raises what the engine raises.
        """
        async with aclosing(self._deltas(request)) as deltas:
            async for delta in deltas:
                yield delta

    def _deltas(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        if not (request.share_answer and request.sampling.temperature == 0):
            return self._engine.generate(request)
        key = answer_key(request, self._model)
        kept = self._kept.get(key)
        if kept is not None:
            return self._replay(request, kept)
        flight = self._flights.get(key)
        deadline = asyncio.get_running_loop().time() + request.deadline_s
        if flight is not None:
            return self._join(request, flight.stream(deadline))
        return self._launch(request, key).stream(deadline)

    def _launch(self, request: GenerateRequest, key: bytes) -> AnswerFlight:
        shared = replace(
            request,
            request_id=RequestId(f"{request.request_id}-shared-{next(self._numbers)}"),
            deadline_s=FLIGHT_WITHIN_S,
            reader_s=request.deadline_s,
            share_answer=False,
        )

        def on_end(flight: AnswerFlight) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if flight.complete and flight.received:
                self._kept.put(key, replace(merged(flight.received), residency=None))

        self._flights[key] = AnswerFlight(self._engine.generate(shared), on_end)
        return self._flights[key]

    async def _replay(self, request: GenerateRequest, kept: Delta) -> AsyncGenerator[Delta, None]:
        yield replace(
            kept,
            kv_cached_tokens=0,
            queue_ms=0.0,
            prefill_ms=0.0,
            decode_ms=0.0,
            residency=self._residency(request),
            shared="kept",
        )

    async def _join(
        self, request: GenerateRequest, deltas: AsyncGenerator[Delta, None]
    ) -> AsyncGenerator[Delta, None]:
        since_s = self._clock()
        first = True
        async with aclosing(deltas):
            async for delta in deltas:
                waited_ms = (self._clock() - since_s) * 1000
                if delta.kv_cached_tokens is not None:
                    delta = replace(delta, kv_cached_tokens=0)  # noqa: PLW2901
                if delta.finish_reason is not None:
                    delta = replace(delta, decode_ms=0.0 if first else waited_ms)  # noqa: PLW2901
                if first:
                    first, since_s = False, self._clock()
                    delta = replace(  # noqa: PLW2901
                        delta,
                        kv_cached_tokens=0,
                        queue_ms=waited_ms,
                        prefill_ms=0.0,
                        residency=self._residency(request),
                        shared="flight",
                    )
                yield delta

    def _residency(self, request: GenerateRequest) -> ResidencyUpdate | None:
        if not request.layout:
            return None
        try:
            return self.survey(request.cache_salt, request.known)
        except EngineUnavailable:  # a kept answer needs no engine
            return None

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What changed in a tenant's part of the cache since `known`; all of it if unknown."""
        return self._engine.survey(salt, known)

    async def describe(self) -> EngineInfo:
        """What the engine runs."""
        return await self._engine.describe()

    def counters(self) -> EngineCounters:
        """The wrapped engine's counters."""
        return self._engine.counters()

    async def check_health(self) -> None:
        """Raises EngineUnavailable when the engine's processes have ended."""
        await self._engine.check_health()

    def close(self) -> None:
        """Ends the engine's processes."""
        self._engine.close()
