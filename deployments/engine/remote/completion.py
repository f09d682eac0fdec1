"""A generation as vLLM's `/v1/completions` takes and streams it.

`/inference/v1/generate` takes the same ids and has no more that is needed here, but a server has that route
only with `--enable-scale-out`. Both give the ids of the answer, the finish reason and the tokens found in the
prefix cache; both abort when the connection closes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated, Any
from uuid import uuid4

import msgspec

from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.engine.remote.http_link import ServerFault

log = logging.getLogger(__name__)

PATH = "/v1/completions"
BROKEN = "the engine's server sent what can't be read"
UNCOUNTED = "the engine's server does not say how many prompt tokens were cached"
_END = b"[DONE]"

_Id = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class _Choice(msgspec.Struct):
    text: str = ""
    token_ids: list[_Id] | None = None
    prompt_token_ids: list[_Id] | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    prompt_tokens_details: _Details | None = None


class _Error(msgspec.Struct):
    message: str = ""
    code: int = 500


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_Chunk)


def body_of(request: GenerateRequest, model: str) -> bytes:
    """The body that asks for `request`, of the model that the server has under this name.

    It names every sampling parameter: for one that is missing, the server would take its model's default.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "prompt": from_bytes(request.prompt).tolist(),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": sampling.stop,
        "ignore_eos": sampling.ignore_eos,
        **asdict(sampling.shaping),  # has vLLM's names
        "cache_salt": request.cache_salt,
        "priority": request.priority,
        # Callers choose ids, so two requests can have the same one; vLLM would abort both when one ends.
        "request_id": f"{request.request_id}-{uuid4().hex}",
        "return_token_ids": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if sampling.json_schema is not None:
        body["structured_outputs"] = {"json": sampling.json_schema}
    return msgspec.json.encode(body)


class AnswerReader:
    """Makes deltas from the events of one answer. `clock` gives monotonic seconds; it starts now."""

    def __init__(self, request: GenerateRequest, clock: Callable[[], float]) -> None:
        self._prompt = from_bytes(request.prompt).tolist()
        self._left = request.sampling.max_tokens
        self._clock = clock
        self._sent_s = clock()
        self._first_s: float | None = None
        self._last: Delta | None = None
        self.complete = False
        """Whether the last delta has been returned."""

    def add(self, event: bytes) -> Delta | None:
        """The delta that an event brings, if any. The last one waits for the event with the usage.

        Raises ServerFault for an error event; EngineUnavailable for an event that can't be read, or that
        contradicts the request.
        """
        if event == _END:
            return None
        try:
            chunk = _decoder.decode(event)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise _broken(str(error)) from error
        if chunk.error is not None:
            raise ServerFault(chunk.error.code, chunk.error.message)
        if chunk.choices:
            return self._delta(chunk.choices[0])
        return None if chunk.usage is None else self._completed(chunk.usage)

    def _delta(self, choice: _Choice) -> Delta | None:
        ids = choice.token_ids
        if ids is None or len(ids) > self._left or self._last is not None:
            raise _broken("the answer has no token ids, or more than were asked for")
        self._left -= len(ids)
        delta = Delta(choice.text, to_bytes(token_ids(ids)))
        if self._first_s is None:
            if choice.prompt_token_ids != self._prompt:
                raise _broken("it answers another prompt than it was sent")
            self._first_s = self._clock()
            # The server does not say how long the prompt waited there: that counts as prefill.
            delta = replace(delta, queue_ms=0.0, prefill_ms=(self._first_s - self._sent_s) * 1000)
        if choice.finish_reason is None:
            return delta
        if choice.finish_reason not in {"stop", "length"}:
            raise _broken(f"it did not complete the answer ({choice.finish_reason[:80]})")
        decode_ms = (self._clock() - self._first_s) * 1000
        self._last = replace(delta, finish_reason=choice.finish_reason, decode_ms=decode_ms)
        return None

    def _completed(self, usage: _Usage) -> Delta:
        if self._last is None or usage.prompt_tokens != len(self._prompt):
            raise _broken("the usage comes too early, or is another prompt's")
        details = usage.prompt_tokens_details
        if details is None or details.cached_tokens is None:
            raise EngineUnavailable(UNCOUNTED)
        cached = details.cached_tokens
        if not 0 <= cached <= len(self._prompt):
            raise _broken(f"of {len(self._prompt)} prompt tokens it says that {cached} were cached")
        self.complete = True
        return replace(self._last, kv_cached_tokens=cached)


def _broken(reason: str) -> EngineUnavailable:
    log.warning("an answer of a vLLM server can't be used: %s", reason)
    return EngineUnavailable(BROKEN)
