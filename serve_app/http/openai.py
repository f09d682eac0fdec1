"""The agents as models of an OpenAI-compatible API."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from deployments.core.conversations import Continuation
from deployments.core.errors import InvalidRequest, ModelNotFound, NotFound
from deployments.core.ids import RequestId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask
from serve_app.chat_completion import ChatHead, ChunkFraming, completion
from serve_app.conversation import conversation_of
from serve_app.http.answers import new_turn_id
from serve_app.http.context import Call, CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, Responses, error_responses
from serve_app.http.openai_answers import ChatCompletion, ModelBody, ModelList
from serve_app.http.openai_bodies import ChatRequest, StreamOptions
from serve_app.services import Services
from serve_app.sse import event_stream

_NO_MODEL = error_responses({404: "No agent has the model's name"})
_CHUNKS: Responses = {
    200: {
        "description": "The answer; with `stream`, as chat.completion.chunk objects and [DONE]",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {"data": {"type": "string"}},
                    "required": ["data"],
                }
            }
        },
    }
}
_FIELDS: Mapping[str | None, str] = {
    "query": "messages",
    "history": "messages",
    "json_schema": "response_format",
}
"""An agent's parameter -> the field of a request that it comes from."""
_SINCE_UNIX_S = int(time.time())

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERROR_RESPONSES)


@router.get("/models")
async def models(parts: ServicesDep, _: TenantDep) -> ModelList:
    """Lists the agents, each as a model."""
    return ModelList(data=[ModelBody(id=name, created=_SINCE_UNIX_S) for name in parts.agents])


@router.get("/models/{name}", responses=_NO_MODEL)
async def model(name: str, parts: ServicesDep, _: TenantDep) -> ModelBody:
    """Shows one agent, as a model."""
    check_model(name, parts)
    return ModelBody(id=name, created=_SINCE_UNIX_S)


@router.post("/chat/completions", response_model=ChatCompletion, responses=_NO_MODEL | _CHUNKS)
async def chat(body: ChatRequest, parts: ServicesDep, call: CallDep) -> Response:
    """Answers the last message from the agent's documents, as JSON or, with `stream`, as chunks."""
    check_model(body.model, parts)
    asks = _choices(_ask(body, call), body.n)
    agent = parts.agents[body.model]
    head = _head(body, call)
    with renamed_params(_FIELDS):
        if body.stream:
            return await event_stream(call.clock, ChunkFraming(head), *map(agent.stream, asks))
        answers = await _all(agent.answer(ask) for ask in asks)
        return JSONResponse(completion(head, [call.clock.stamp(answer) for answer in answers]))


def check_model(name: str, parts: Services) -> None:
    """Raises ModelNotFound if no agent has this name."""
    if name not in parts.agents:
        raise ModelNotFound(f"there is no model {name!r}; there are: {', '.join(parts.agents)}", "model")


def _head(body: ChatRequest, call: Call) -> ChatHead:
    stream_options = body.stream_options or StreamOptions()
    return ChatHead(
        id=call.request_id,
        model=body.model,
        created=int(call.clock.arrived_unix_s),
        return_token_ids=body.return_token_ids,
        include_usage=stream_options.include_usage,
        continuous_usage=stream_options.include_usage and stream_options.continuous_usage_stats,
        choices=body.n,
        refusable=body.schema_text() is not None,
    )


def _ask(body: ChatRequest, call: Call) -> Ask:
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("stream_options: only with stream", "stream_options")
    limits = {body.max_completion_tokens, body.max_tokens} - {None}
    if len(limits) > 1:
        raise InvalidRequest("max_tokens: max_completion_tokens says otherwise", "max_tokens")
    chat = conversation_of(body.messages)
    return replace(
        call.ask(chat.question),
        only=body.only(),
        max_tokens=next(iter(limits), None),
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        share_answer=body.share_answer,
        stop=tuple(body.stop),
        history=chat.history,
        instructions=chat.instructions,
        ignore_eos=body.ignore_eos,
        json_schema=body.schema_text(),
        shaping=body.shaping(),
        answer_start=chat.answer_start,
        continues=_kept(body) if body.store else None,
    )


def _kept(body: ChatRequest) -> Continuation:
    """Continues the chat that the messages tell, if it is stored. Raises InvalidRequest."""
    if body.n > 1:
        raise InvalidRequest("store: only with one choice; leave out n", "store")
    return Continuation(new_turn_id(), user_id=body.user or body.safety_identifier, told=True)


def _choices(ask: Ask, count: int) -> list[Ask]:
    """`ask` for each of `count` answers. The engine needs an id for each, and seeds that differ."""
    return [ask, *(replace(ask, request_id=_numbered(ask, n), seed=_seed(ask, n)) for n in range(1, count))]


def _numbered(ask: Ask, number: int) -> RequestId:
    return RequestId(f"{ask.request_id}-choice-{number}")


def _seed(ask: Ask, number: int) -> int | None:
    if ask.seed is None:
        return None
    return ask.seed - number if ask.seed > 0 else ask.seed + number  # stays within the bounds


async def _all(calls: Iterable[Coroutine[Any, Any, Answer]]) -> Sequence[Answer]:
    """The answers of all calls. Raises the first error, and cancels the other calls."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


@contextmanager
def renamed_params(fields: Mapping[str | None, str]) -> Iterator[None]:
    """Makes errors name the request's fields. `fields` has those for which the agent has another name."""
    try:
        yield
    except (InvalidRequest, NotFound) as error:
        if error.param in fields:
            raise type(error)(error.message, fields[error.param]) from error
        raise
