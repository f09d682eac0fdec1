"""A client of the Engine deployment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta, EngineInfo, GenerateRequest, Warmed
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.deadline import next_before
from serve_app.engine.own_call import own_call
from serve_app.engine.replies import NoReply, replies
from serve_app.remote import translated, translated_stream

GRACE_S = 1.0
"""Time for the engine's own deadline to come first."""
READY_WITHIN_S = 10.0
PROBED_WITHIN_S = 1.0
"""Then who has not answered counts as busy: less than whoever asks for readiness waits."""
SURVEYED_WITHIN_S = 1.0
"""What the others say is used then: a replica that is full answers late."""


class EngineHandle:
    """Implements `Generator` and `ResidencySource`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._streaming = handle.options(stream=True)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """See `Generator`. The deadline holds while no replica can take the request, too."""
        deadline = asyncio.get_running_loop().time() + request.deadline_s + GRACE_S
        request = replace(request, until_unix_s=time.time() + request.deadline_s)
        with own_call():
            response = self._streaming.generate.remote(request)
        async with aclosing(translated_stream("the engine", response, EngineUnavailable)) as deltas:
            while delta := await next_before(deadline, deltas, "the engine did not answer in time"):
                yield delta

    async def describe(self) -> EngineInfo:
        """See `Generator`. A replica that does not answer at once is not ready."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                with translated("the engine", EngineUnavailable):
                    with own_call():
                        response = self._handle.describe.remote()
                    try:
                        info: EngineInfo = await response
                    except asyncio.CancelledError:
                        response.cancel()  # or it would go on to wait for a replica
                        raise
                    return info
        except TimeoutError:
            raise EngineUnavailable("the engine is not ready") from None

    async def ready(self) -> None:
        """Returns where a replica answers or is too busy to: one that is full is at work.

        Raises EngineUnavailable where none runs, or all say that their engines have ended.
        """
        with translated("the engine", EngineUnavailable):
            response = self._handle.broadcast("describe")
            said = await replies(response, PROBED_WITHIN_S)
        if not any(isinstance(one, EngineInfo | NoReply) for one in said):
            raise EngineUnavailable("the engine is not ready")

    async def survey(self, salt: str, known: Sequence[Known]) -> list[ResidencyUpdate | None]:
        """See `ResidencySource`. A replica that fails is left out."""
        with translated("the engine", EngineUnavailable):
            response = self._handle.broadcast("survey", salt, tuple(known))
            said = await replies(response, SURVEYED_WITHIN_S)
        return [
            None if isinstance(one, NoReply) else one
            for one in said
            if isinstance(one, ResidencyUpdate | NoReply)
        ]

    async def warm(self, salt: str, prompts: Sequence[tuple[bytes, bytes]], within_s: float) -> Warmed:
        """Prefills prompts (ids and layout) in every replica. One that fails is left out."""
        with translated("the engine", EngineUnavailable):
            response = self._handle.broadcast("warm", salt, tuple(prompts), within_s)
            said = await response.results_async(return_exceptions=True)
        return sum((one for one in said if isinstance(one, Warmed)), Warmed())
