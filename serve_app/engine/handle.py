"""The client of the Engine deployment: calls one replica or all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta, EngineInfo, GenerateRequest, Warmed
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.time_spent import TimeSpent
from deployments.engine.deadline import next_before
from serve_app.engine.own_call import own_call
from serve_app.engine.packed_once import PackedOnce
from serve_app.engine.replies import NoReply, replies
from serve_app.remote import translated, translated_stream
from serve_app.tracing.calls import carried

GRACE_S = 1.0
"""The client waits this long after the engine's deadline, so that the engine's error comes first."""
READY_WITHIN_S = 10.0
"""How long `describe` waits for an answer."""
PROBED_WITHIN_S = 1.0
"""How long `ready` waits: less than readiness probes do. A replica that is later counts as busy."""
SURVEYED_WITHIN_S = 1.0
"""How long `survey` waits. A full replica answers later; the caller goes on with the other answers."""


class EngineHandle:
    """Implements `Generator` and `ResidencySource`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._streaming = handle.options(stream=True)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer from one replica. The deadline includes the time until a replica is free.

        Closing the iterator aborts the generation. Raises EngineUnavailable, DeadlineExceeded,
        Overloaded, InvalidRequest.
        """
        deadline = asyncio.get_running_loop().time() + request.deadline_s + GRACE_S
        request = replace(request, sent=TimeSpent(0.0, time.monotonic()))
        with own_call():
            response = self._streaming.generate.remote(request, **carried())
        async with aclosing(translated_stream("the engine", response, EngineUnavailable)) as deltas:
            while delta := await next_before(deadline, deltas, "the engine did not answer in time"):
                yield delta

    async def describe(self) -> EngineInfo:
        """What the engine runs. Raises EngineUnavailable without an answer in `READY_WITHIN_S`."""
        try:
            return await self._described()
        except EngineUnavailable:
            # Serve would give the next call to the same replica: it fails at once, so its queue is short.
            for answer in await self._descriptions():
                if isinstance(answer, EngineInfo):
                    return answer
            raise

    async def _described(self) -> EngineInfo:
        """The answer of one replica, which waits in its queue."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                with translated("the engine", EngineUnavailable):
                    with own_call():
                        response = self._handle.describe.remote()
                    try:
                        info: EngineInfo = await response
                    except asyncio.CancelledError:
                        response.cancel()  # otherwise the call goes on waiting for a replica
                        raise
                    return info
        except TimeoutError:
            raise EngineUnavailable("the engine is not ready") from None

    async def ready(self) -> None:
        """Returns if at least one replica answers or is too busy to answer in time.

        Raises EngineUnavailable if no replica runs, or if the calls of all have failed.
        """
        if not any(isinstance(answer, EngineInfo | NoReply) for answer in await self._descriptions()):
            raise EngineUnavailable("the engine is not ready")

    async def _descriptions(self) -> list[Any]:
        """All replicas' answers, as `replies` gives them."""
        with translated("the engine", EngineUnavailable):
            return await replies(self._handle.broadcast("describe"), PROBED_WITHIN_S)

    async def survey(
        self, known: Mapping[str, Sequence[Known]]
    ) -> list[Mapping[str, ResidencyUpdate] | None]:
        """Tenants' parts of each replica's cache, by salt, as changes since the states in `known`.

        None for a replica that does not answer within `SURVEYED_WITHIN_S`; a replica whose call fails is
        left out. Raises EngineUnavailable if no replica runs.
        """
        with translated("the engine", EngineUnavailable):
            response = self._handle.broadcast("survey", PackedOnce(known))
            answers = await replies(response, SURVEYED_WITHIN_S)
        return [
            None if isinstance(answer, NoReply) else answer
            for answer in answers
            if isinstance(answer, dict | NoReply)
        ]

    async def warm(self, salt: str, prompts: Sequence[tuple[bytes, bytes]], within_s: float) -> Warmed:
        """Prefills a tenant's prompts in every replica, for at most `within_s` seconds.

        Each prompt is given as ids and layout. Returns the sum over the replicas, without those whose
        calls fail. Raises EngineUnavailable if no replica runs.
        """
        with translated("the engine", EngineUnavailable):
            response = self._handle.broadcast("warm", salt, tuple(prompts), within_s, **carried())
            answers = await response.results_async(return_exceptions=True)
        return sum((answer for answer in answers if isinstance(answer, Warmed)), Warmed())
