"""Equal requests answered once, where their callers allow it: greedy ones of one tenant, prompt and sampling.

What is under way is joined; what is complete is given again for a while.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.answer_flight import AnswerFlight
from deployments.engine.coalescing import merged
from deployments.engine.counters import EngineCounters
from deployments.engine.kept_answers import KeptAnswers, answer_key
from deployments.engine.local_engine import SurveyedEngine

FLIGHT_WITHIN_S = 3600.0
"""A generation's own deadline. Each of its readers has another, and with the last of them it ends."""


@dataclass(frozen=True, slots=True)
class KeepFor:
    """How many bytes of complete answers are kept (0: none), and how long, in seconds."""

    max_bytes: int
    ttl_s: float


class SharedAnswers:
    """Around an engine of `model`. `clock` gives monotonic seconds."""

    def __init__(self, engine: SurveyedEngine, model: str, keep: KeepFor, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._model = model
        self._clock = clock
        self._kept = KeptAnswers(keep.max_bytes, keep.ttl_s, clock)
        self._flights: dict[bytes, AnswerFlight] = {}
        self._numbers = itertools.count()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """See `Generator`. Of another's generation no figures are taken: what was waited for counts, if only
        for the answer's beginning and end."""
        async with aclosing(self._deltas(request)) as deltas:
            async for delta in deltas:
                yield delta

    def _deltas(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        if not (request.share_answer and request.sampling.temperature == 0):
            return self._engine.generate(request)
        key = answer_key(request, self._model)
        kept = self._kept.get(key)
        if kept is not None:
            return self._again(request, kept)
        flight = self._flights.get(key)
        deadline = asyncio.get_running_loop().time() + request.deadline_s
        if flight is not None:
            return self._joined(request, flight.stream(deadline))
        return self._launched(request, key).stream(deadline)

    def _launched(self, request: GenerateRequest, key: bytes) -> AnswerFlight:
        alone = replace(
            request,
            request_id=RequestId(f"{request.request_id}-shared-{next(self._numbers)}"),
            deadline_s=FLIGHT_WITHIN_S,
            reader_s=request.deadline_s,
            share_answer=False,
        )

        def ended(flight: AnswerFlight) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if flight.complete and flight.read:
                self._kept.put(key, replace(merged(flight.read), residency=None))

        self._flights[key] = AnswerFlight(self._engine.generate(alone), ended)
        return self._flights[key]

    async def _again(self, request: GenerateRequest, kept: Delta) -> AsyncGenerator[Delta, None]:
        yield replace(
            kept,
            kv_cached_tokens=0,
            queue_ms=0.0,
            prefill_ms=0.0,
            decode_ms=0.0,
            residency=self._residency(request),
            shared="kept",
        )

    async def _joined(
        self, request: GenerateRequest, deltas: AsyncGenerator[Delta, None]
    ) -> AsyncGenerator[Delta, None]:
        since_s = self._clock()
        first = True
        async with aclosing(deltas):
            async for delta in deltas:
                waited_ms = (self._clock() - since_s) * 1000
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
        return self.survey(request.cache_salt, request.known) if request.layout else None

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """See `SurveyedEngine`."""
        return self._engine.survey(salt, known)

    async def describe(self) -> EngineInfo:
        """See `Generator`."""
        return await self._engine.describe()

    def counters(self) -> EngineCounters:
        """See `LocalEngine`."""
        return self._engine.counters()

    async def check_health(self) -> None:
        """See `LocalEngine`."""
        await self._engine.check_health()

    def close(self) -> None:
        """See `LocalEngine`."""
        self._engine.close()
