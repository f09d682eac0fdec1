"""A vLLM server as a `LocalEngine`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from deployments.core.errors import EngineUnavailable, InvalidRequest, Overloaded, PromptTooLong
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.token_ids import count_in
from deployments.engine.counters import EngineCounters
from deployments.engine.deadline import check_deadline, next_before
from deployments.engine.remote import completion, figures
from deployments.engine.remote.figures import ServerFigures, figures_of
from deployments.engine.remote.http_link import HttpLink, ServerFault

log = logging.getLogger(__name__)

SILENT = "the engine's server does not answer"
_HEALTH = "/health"
_BAD_REQUEST = frozenset({400, 413, 422})
_TOO_MANY = 429


async def figures_at(link: HttpLink) -> ServerFigures:
    """What the server at the other end says of itself. Raises ServerFault."""
    return figures_of((await link.call(figures.PATH)).decode(errors="replace"))


def error_of(fault: ServerFault) -> InvalidRequest | Overloaded | EngineUnavailable:
    """The application's error for the fault of a generation."""
    if fault.status in _BAD_REQUEST:
        return InvalidRequest(
            "the engine refused the prompt or its settings; shorten the prompt or change the settings"
        )
    if fault.status == _TOO_MANY:
        return Overloaded("the engine's queue is full")
    return EngineUnavailable(SILENT if fault.status is None else "the engine's server failed")


class RemoteEngine:
    """What runs at the other end of `link`. `model` is the name that the server has for `info.model`."""

    def __init__(self, link: HttpLink, info: EngineInfo, model: str) -> None:
        self._link = link
        self._info = info
        self._model = model
        self._counters = EngineCounters()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing the iterator aborts the generation.

        The last delta tells how many prompt tokens were cached: the server knows it earlier, but says it
        after the answer. Raises InvalidRequest, PromptTooLong, Overloaded, DeadlineExceeded,
        EngineUnavailable.
        """
        deadline = asyncio.get_running_loop().time() + request.deadline_s
        self._check(request)
        reader = completion.AnswerReader(request, time.monotonic)
        body = completion.body_of(request, self._model)
        try:
            async with aclosing(self._link.events(completion.PATH, body)) as events:
                while (event := await next_before(deadline, events)) is not None:
                    if (delta := reader.add(event)) is not None:
                        check_deadline(deadline)
                        yield delta
        except ServerFault as fault:
            log.warning("%s failed to answer: %s", self._link.url, fault)
            raise error_of(fault) from fault
        if not reader.complete:
            log.warning("%s ended an answer before it was complete", self._link.url)
            raise EngineUnavailable("the engine's server ended the answer before it was complete")

    def _check(self, request: GenerateRequest) -> None:
        tokens, limit = count_in(request.prompt), self._info.max_model_len
        if tokens + request.sampling.max_tokens > limit:
            raise PromptTooLong(
                f"{tokens} tokens of prompt and {request.sampling.max_tokens} for the answer exceed the "
                f"model's {limit}"
            )
        if not request.cache_salt:
            raise InvalidRequest("a request without cache_salt would share its KV blocks with every tenant")

    async def look(self) -> ServerFigures:
        """Reads the server's figures, which `counters` returns from then on.

        Raises EngineUnavailable if the server does not answer or its engine has ended.
        """
        try:
            await self._link.call(_HEALTH)
            seen = await figures_at(self._link)
        except ServerFault as fault:
            raise EngineUnavailable(SILENT) from fault
        self._counters = seen.counters
        return seen

    async def describe(self) -> EngineInfo:
        """What runs there, as it was at the start of this object."""
        return self._info

    def counters(self) -> EngineCounters:
        """The server's counters at the last `look`, for all its clients; the other fields keep their
        defaults.
        """
        return self._counters

    async def check_health(self) -> None:
        """Returns: whoever runs the server starts it again, and `FollowedServer` looks after it."""

    def close(self) -> None:
        """Does nothing: the server goes on."""
