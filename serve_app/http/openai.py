"""The agents as models of an OpenAI-compatible API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from deployments.core.errors import InvalidRequest, ModelNotFound
from deployments.core.messages import Ask
from serve_app.chat_completion import ChatHead, ChunkFraming, completion
from serve_app.conversation import conversation_of
from serve_app.http.context import Call, CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, Responses, error_responses
from serve_app.http.openai_bodies import ChatCompletion, ChatRequest, ModelBody, ModelList, StreamOptions
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
_SINCE_UNIX_S = int(time.time())

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERROR_RESPONSES)


@router.get("/models")
async def models(parts: ServicesDep, _: TenantDep) -> ModelList:
    """Lists the agents, each as a model."""
    return ModelList(data=[ModelBody(id=name, created=_SINCE_UNIX_S) for name in parts.agents])


@router.get("/models/{name}", responses=_NO_MODEL)
async def model(name: str, parts: ServicesDep, _: TenantDep) -> ModelBody:
    """Shows one agent, as a model."""
    _check_model(name, parts)
    return ModelBody(id=name, created=_SINCE_UNIX_S)


@router.post("/chat/completions", response_model=ChatCompletion, responses=_NO_MODEL | _CHUNKS)
async def chat(body: ChatRequest, parts: ServicesDep, call: CallDep) -> Response:
    """Answers the last message from the agent's documents, as JSON or, with `stream`, as chunks."""
    _check_model(body.model, parts)
    ask = _ask(body, call)
    agent = parts.agents[body.model]
    stream_options = body.stream_options or StreamOptions()
    head = ChatHead(
        id=call.request_id,
        model=body.model,
        created=int(call.clock.arrived_unix_s),
        return_token_ids=body.return_token_ids,
        include_usage=stream_options.include_usage,
        continuous_usage=stream_options.include_usage and stream_options.continuous_usage_stats,
    )
    with _renamed_params():
        if body.stream:
            return await event_stream(agent.stream(ask), call.clock, ChunkFraming(head))
        return JSONResponse(completion(head, call.clock.stamp(await agent.answer(ask))))


def _check_model(name: str, parts: Services) -> None:
    if name not in parts.agents:
        raise ModelNotFound(f"there is no model {name!r}; there are: {', '.join(parts.agents)}", "model")


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
    )


@contextmanager
def _renamed_params() -> Iterator[None]:
    """Makes errors name `messages`, where the agent's parameters are `query` and `history`."""
    try:
        yield
    except InvalidRequest as error:
        if error.param in {"query", "history"}:
            raise type(error)(error.message, "messages") from error
        raise
