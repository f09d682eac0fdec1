"""How every agent's answer leaves: as JSON, or as events."""

from typing import Any

from starlette.responses import JSONResponse, Response

from deployments.core.ledger import Answer
from deployments.core.messages import Ask
from serve_app.edge import EdgeClock
from serve_app.http.answers import AnswerBody, AskBody
from serve_app.services import Agent
from serve_app.sse import NamedEvents, event_stream

_EVENT = {
    "type": "object",
    "description": "One event; `data` is JSON, and [DONE] in the last one, a `message`",
    "properties": {"event": {"enum": ["delta", "ledger", "error", "message"]}, "data": {"type": "string"}},
    "required": ["data"],
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream`, as events",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}
"""`responses` of a route whose answers can be streamed."""


async def answered(
    agent: Agent, ask: Ask, body: AskBody, shape: type[AnswerBody], clock: EdgeClock
) -> Response:
    """The agent's answer to `ask` in the form that `body` asks for."""

    def ledger(complete: Answer) -> object:
        hidden = set() if body.return_token_ids else {"prompt_token_ids", "token_ids"}
        shown = shape.of(complete, body.return_token_ids).model_dump(exclude=hidden)
        return {shape.text_field: shown.pop(shape.text_field), **shown}  # the answer itself first

    if body.stream:
        return await event_stream(agent.stream(ask), clock, NamedEvents(ledger))
    return JSONResponse(ledger(clock.stamp(await agent.answer(ask))))
